"use strict";
(() => {
  const read = id => JSON.parse(document.getElementById(id).textContent);
  const clips = read("clips"), maps = read("points");
  const player = document.getElementById("player");
  const audio = player.querySelector("audio"), title = player.querySelector("span");
  let playing = null;

  // One element plays all, so nothing sounds at once, and each utterance is on the page once.
  function play(name, clip) {
    if (clip === playing && !audio.paused) { audio.pause(); return; }
    if (clip !== playing) {
      playing = clip;
      audio.src = "data:audio/webm;base64," + clips[clip];
    }
    title.textContent = name;
    player.hidden = false;
    audio.currentTime = 0;
    audio.play().catch(error => { if (error.name !== "AbortError") title.textContent = `${name}: ${error.message}`; });
  }
  player.querySelector("button").addEventListener("click", () => { audio.pause(); player.hidden = true; });
  for (const button of document.querySelectorAll("button[data-clip]"))
    button.addEventListener("click", () => play(button.dataset.name, Number(button.dataset.clip)));

  for (const [id, utterances] of Object.entries(maps)) {
    const told = document.getElementById(`${id}-point`);
    const svg = told.closest("figure").querySelector("svg");
    const points = [...svg.querySelectorAll(`g[id^="${id}-points"] use`)].map((use, number) => {
      const [name, clip] = utterances[number];
      use.id = `${id}-utterance${number}`;
      use.setAttribute("role", "option");
      use.setAttribute("aria-label", name);
      return {use, name, clip, x: use.x.baseVal.value, y: use.y.baseVal.value};
    });
    const ring = document.createElementNS(svg.namespaceURI, "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", 7);
    let chosen = -1;
    function choose(number) {
      const point = points[chosen = number];
      ring.setAttribute("cx", point.x);
      ring.setAttribute("cy", point.y);
      svg.append(ring);
      svg.setAttribute("aria-activedescendant", point.use.id);
      told.textContent = point.clip === null ? `${point.name} (no sound)` : point.name;
    }
    function sound() { if (points[chosen]?.clip != null) play(points[chosen].name, points[chosen].clip); }
    svg.setAttribute("role", "listbox");
    svg.setAttribute("tabindex", 0);
    svg.classList.add("map");
    svg.addEventListener("click", event => {
      const matrix = svg.getScreenCTM();
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
      const far = points.map(point => Math.hypot(point.x - at.x, point.y - at.y));
      const nearest = far.indexOf(Math.min(...far));
      if (far[nearest] * matrix.a < 24) { choose(nearest); sound(); } // pixels: a finger is no needle
    });
    const last = points.length - 1;
    const steps = {
      ArrowRight: () => Math.min(chosen + 1, last), ArrowDown: () => Math.min(chosen + 1, last),
      ArrowLeft: () => Math.max(chosen - 1, 0), ArrowUp: () => Math.max(chosen - 1, 0),
      Home: () => 0, End: () => last,
    };
    svg.addEventListener("keydown", event => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key in steps) choose(steps[event.key]());
      else if (event.key === "Enter" || event.key === " ") sound();
      else return;
      event.preventDefault();
    });
  }
})();
