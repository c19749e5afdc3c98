// Shows the second under the pointer; the page is whole without it.
for (const plot of document.querySelectorAll("svg.plot")) {
  const readout = plot.closest("figure").querySelector(".readout");
  const hair = document.createElementNS("http://www.w3.org/2000/svg", "line");
  hair.setAttribute("class", "hair");
  hair.setAttribute("y2", "100%");
  plot.append(hair);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const start = Number(plot.dataset.start);
    const second = start + part * (Number(plot.dataset.end) - start);
    hair.setAttribute("x1", `${part * 100}%`);
    hair.setAttribute("x2", `${part * 100}%`);
    hair.style.visibility = "visible";
    readout.textContent = `${second < 0 ? "−" : "+"}${Math.abs(second).toFixed(3)} s`;
  });
  plot.addEventListener("pointerleave", () => {
    hair.style.visibility = "hidden";
    readout.textContent = "";
  });
}
