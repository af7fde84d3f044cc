"use strict";
(() => {
  const root = document.documentElement;
  const remember = (value) => { try { localStorage.setItem("report-language", value); } catch { /* a file may have no storage */ } };
  const remembered = () => { try { return localStorage.getItem("report-language"); } catch { return null; } };

  const speak = (language) => {
    root.lang = language;
    for (const button of document.querySelectorAll("[data-language]")) button.setAttribute("aria-pressed", button.dataset.language === language);
    for (const option of document.querySelectorAll("option[data-en]")) option.textContent = option.dataset[language];
    count();
  };

  // The table: filter and sort what is there; only so many rows are shown until more are asked for.
  const PAGE = 100;
  const table = document.getElementById("every-item"), body = table.tBodies[0];
  const find = document.getElementById("find"), topic = document.getElementById("topic"), flag = document.getElementById("flag");
  const all = document.getElementById("all");
  let rows = [...body.rows].map((row) => ({
    row, text: row.cells[0].textContent, topic: row.cells[1].textContent,
    flags: [...row.querySelectorAll(".flag [lang=en]")].map((span) => span.textContent),
    values: [...row.cells].map((cell) => cell.textContent),
  }));
  let showAll = false, matching = rows;
  const count = () => {
    const shown = showAll ? matching.length : Math.min(PAGE, matching.length);
    document.getElementById("count").textContent = root.lang === "ko"
      ? `${rows.length}개 중 ${matching.length}개 해당, ${shown}개 표시` : `${matching.length} of ${rows.length} items, ${shown} shown`;
    all.hidden = shown === matching.length;
  };
  const filter = () => {
    const wanted = find.value.trim().toLowerCase();
    const exact = wanted.startsWith("=") ? wanted.slice(1) : null;
    matching = rows.filter((it) => {
      const name = it.text.toLowerCase();
      return (exact === null ? name.includes(wanted) : name === exact)
        && (!topic.value || it.topic === topic.value) && (!flag.value || it.flags.includes(flag.value));
    });
    body.replaceChildren(...(showAll ? matching : matching.slice(0, PAGE)).map((it) => it.row));
    count();
  };
  const sort = (heading) => {
    const column = heading.cellIndex, numeric = heading.classList.contains("n");
    const down = heading.getAttribute("aria-sort") === (numeric ? "descending" : "ascending") ? !numeric : numeric;
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const number = (text) => parseFloat(text.replace("−", "-").replaceAll(",", ""));
    const natural = new Intl.Collator(undefined, { numeric: true });
    rows.sort((one, two) => {
      const [x, y] = [one.values[column], two.values[column]];
      if (!numeric) return natural.compare(x, y) * (down ? -1 : 1);
      const [p, q] = [number(x), number(y)];
      if (isNaN(p) || isNaN(q)) return isNaN(p) - isNaN(q); // unknown values stay last
      return (p - q) * (down ? -1 : 1);
    });
    filter();
  };
  for (const heading of table.tHead.rows[0].cells) heading.firstChild.addEventListener("click", () => sort(heading));
  for (const input of [find, topic, flag]) input.addEventListener("input", () => { showAll = false; filter(); });
  all.addEventListener("click", () => { showAll = true; filter(); });

  // The pictures: a point says its name, and a click finds it in the table.
  const names = JSON.parse(document.getElementById("point-names").textContent), tip = document.getElementById("tip");
  for (const [group, texts] of Object.entries(names)) {
    const marks = document.querySelectorAll(`[id="points-${group}"] use`);
    marks.forEach((mark, place) => {
      const [id, text] = texts[place] ?? ["", ""];
      mark.addEventListener("pointerenter", (event) => {
        tip.textContent = text;
        tip.hidden = false;
        tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
        tip.style.top = `${event.clientY - 34}px`;
      });
      mark.addEventListener("pointerleave", () => { tip.hidden = true; });
      mark.addEventListener("click", () => {
        find.value = `=${id}`;
        topic.value = flag.value = "";
        filter();
        document.getElementById("table").scrollIntoView();
      });
    });
  }

  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => { speak(button.dataset.language); remember(root.lang); });
  }
  document.getElementById("print").addEventListener("click", () => print());
  filter();
  const asked = location.hash.slice(1);
  speak(["en", "ko"].includes(asked) ? asked : remembered() ?? (navigator.language.startsWith("ko") ? "ko" : "en"));
})();
