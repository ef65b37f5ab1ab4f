// A chime of two tones. Browsers let a page sound only after somebody has touched it.

let audio = null;

export function sounds() {
  return audio !== null && audio.state === "running";
}

export async function allowSound() {
  audio = audio || new AudioContext();
  await Promise.race([audio.resume(), new Promise((done) => setTimeout(done, 300))]);
  return sounds();
}

export function chime() {
  if (!sounds()) return;
  [
    [659.3, 0],
    [523.3, 0.35],
  ].forEach(([pitch, after]) => tone(pitch, audio.currentTime + after));
}

function tone(pitch, at) {
  const voice = audio.createOscillator();
  const loud = audio.createGain();
  voice.frequency.value = pitch;
  loud.gain.setValueAtTime(0.0001, at);
  loud.gain.exponentialRampToValueAtTime(0.5, at + 0.02);
  loud.gain.exponentialRampToValueAtTime(0.0001, at + 0.9);
  voice.connect(loud).connect(audio.destination);
  voice.start(at);
  voice.stop(at + 1);
}

// Says a sentence with a voice of this machine, if it has one for the page's language: nothing leaves it.
export function say(words) {
  const language = document.documentElement.lang;
  const own = (window.speechSynthesis?.getVoices() || []).filter((voice) => voice.localService);
  const voice = own.find((each) => each.lang.toLowerCase().startsWith(language));
  if (!voice) return;
  const sentence = new SpeechSynthesisUtterance(words);
  sentence.voice = voice;
  sentence.lang = voice.lang;
  sentence.rate = 0.9;
  window.speechSynthesis.speak(sentence);
}
