// Booking works without this: here it only says when the ten minutes are over, sends a form once, and has the
// browser come back to a page that answered a form without asking whether to send that again.

history.replaceState(null, "", location.href);

const held = document.querySelector("[data-left]"); // milliseconds: a phone's own clock may be wrong
if (held) {
  setTimeout(() => {
    held.classList.add("over");
    held.querySelector("[data-kept]").hidden = true;
    held.querySelector("[data-over]").hidden = false;
  }, Number(held.dataset.left));
}

let sent = false;
document.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = event.target.method === "post";
});
addEventListener("pageshow", () => (sent = false)); // also when one comes back
