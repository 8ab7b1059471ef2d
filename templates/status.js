// Fetches the page again while somebody looks, and shows what has changed in it.
(() => {
  const main = document.getElementById("main");
  let failed = 0, timer = 0;

  const plan = () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, main.dataset.refresh * 1000);
  };

  const refresh = async () => {
    // What is selected is about to be copied.
    if (document.hidden || !getSelection().isCollapsed) return plan();
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(20000) });
      if (!answer.ok) throw new Error(answer.status);
      show(new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main"));
      failed = 0;
    } catch {
      failed += 1;
      if (failed > 1) document.getElementById("live").textContent = ", and not since: the exporter does not answer";
    }
    plan();
  };

  const show = (next) => {
    const folds = new Map([...main.querySelectorAll("details")].map((fold) => [fold.id, fold.open]));
    const name = (target) => `${target.closest("[id]").id} ${target.getAttribute("href")}`;
    const focused = main.contains(document.activeElement) && name(document.activeElement);
    for (const fold of next.querySelectorAll("details")) fold.open = folds.get(fold.id) ?? fold.open;
    main.replaceChildren(...next.childNodes);
    Object.assign(main.dataset, next.dataset);
    document.title = main.dataset.title;
    if (focused) [...main.querySelectorAll("a, summary")].find((target) => name(target) === focused)?.focus({ preventScroll: true });
  };

  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  plan();
})();
