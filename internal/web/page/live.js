// Keeps an open page up to date: the server sends the parts that changed, as
// HTML that it escaped, and this puts them in their places.
"use strict";
(() => {
  const byID = id => document.getElementById(id);
  const state = byID("live"), pause = byID("pause"), news = byID("news");
  const url = byID("main").dataset.live;
  let source = null, paused = false, again = 0;

  function put(fresh) {
    const old = byID(fresh.id);
    if (!old) {
      const into = byID(fresh.dataset.into);
      const newest = into.dataset.order === "newest";
      into.insertBefore(fresh, [...into.children].find(e => newest ? e.id < fresh.id : e.id > fresh.id) ?? null);
      return;
    }
    const inside = (e, what) => [...e.querySelectorAll(what)];
    const open = inside(old, "details").map(d => d.open);
    inside(fresh, "details").forEach((d, i) => { d.open = open[i] ?? false; });
    if (old.isEqualNode(fresh)) return;
    const focus = inside(old, "a, summary").indexOf(document.activeElement);
    old.replaceWith(fresh);
    if (focus >= 0) inside(fresh, "a, summary")[focus]?.focus();
  }

  function watch() {
    close();
    source = new EventSource(url);
    source.onopen = () => { state.textContent = "Live"; };
    source.onerror = () => {
      state.textContent = "Not connected; trying again";
      // After a refusal, browsers do not try again by themselves.
      if (source.readyState === EventSource.CLOSED) again = setTimeout(watch, 10000);
    };
    source.addEventListener("put", e => {
      const t = document.createElement("template");
      t.innerHTML = e.data;
      [...t.content.children].forEach(put);
    });
    source.addEventListener("only", e => {
      const ids = new Set(e.data.split(" "));
      document.querySelectorAll("[data-order] > *").forEach(c => { if (!ids.has(c.id)) c.remove(); });
    });
    source.addEventListener("say", e => { news.textContent = e.data; });
  }
  const close = () => { clearTimeout(again); source?.close(); };
  // A hidden page does not take one of the browser's few connections.
  const settle = () => paused || document.hidden ? close() : watch();
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    state.textContent = paused ? "Paused" : "Connecting";
    settle();
  });
  document.addEventListener("visibilitychange", settle);
  settle();
})();
