(() => {
  "use strict";
  const words = document.documentElement.dataset;
  const cell = (text) => {
    const value = /^[=+\-@\t\r]/.test(text) && !/^-?[\d,.\s%]+$/.test(text) ? "'" + text : text;
    return /[",\n]/.test(value) ? '"' + value.replaceAll('"', '""') + '"' : value;
  };
  const download = (table, name) => {
    const rows = [...table.rows].filter((row) => !row.hidden);
    const text = rows.map((row) => [...row.cells].map((at) => cell(at.dataset.value ?? at.textContent.trim())).join(",")).join("\r\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv" }));
    link.download = name + ".csv";
    link.click();
  };
  const equip = (root) => {
    for (const box of root.querySelectorAll(".tools")) {
      const table = box.parentElement.querySelector("table");
      box.querySelector("button").addEventListener("click", () => download(table, box.dataset.name));
      const filter = box.querySelector("input");
      if (filter) filter.addEventListener("input", () => {
        const asked = filter.value.toLowerCase();
        for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(asked);
      });
    }
  };
  const load = (file) => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = file;
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
  const unpacked = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  window.cockpit = {};
  const customer = async () => {
    const place = document.getElementById("customer");
    if (!place) return;
    const [code, shard] = decodeURIComponent(location.hash.slice(1)).split("~");
    if (!code || !/^\d+$/.test(shard || "")) return;
    try {
      await load("customers/" + shard + ".js");
      const pages = await unpacked(window.cockpit.shard);
      if (!Object.hasOwn(pages, code)) throw new Error(code);
      place.innerHTML = pages[code];
      equip(place);
      document.title = code;
    } catch { place.textContent = words.notFound + " " + code; }
  };
  const search = () => {
    const box = document.getElementById("search");
    if (!box) return;
    box.addEventListener("input", async () => {
      if (!window.cockpit.index) await load("customers/index.js");
      const asked = box.value.trim().toLowerCase();
      const found = asked.length < 2 ? [] : window.cockpit.index.filter(([code, name]) => (code + " " + name).toLowerCase().includes(asked)).slice(0, 30);
      const list = document.getElementById("found");
      list.replaceChildren(...found.map(([code, name, shard]) => {
        const link = document.createElement("a");
        link.href = "customer.html#" + encodeURIComponent(code) + "~" + shard;
        link.textContent = code + "  " + name;
        return link;
      }));
    });
  };
  equip(document);
  search();
  customer();
  window.addEventListener("hashchange", customer);
})();
