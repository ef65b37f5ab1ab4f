// The list of calls, made from the page's own <template id="call">.

export function listCalls(list, calls) {
  const template = document.getElementById("call");
  list.replaceChildren(
    ...calls.map((call) => {
      const row = template.content.cloneNode(true);
      row.querySelector("strong").textContent = call.label;
      row.querySelector("b").textContent = call.desk;
      return row;
    }),
  );
}
