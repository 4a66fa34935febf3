
// Builds every widget from the data inside it.
for (const [name, build] of Object.entries({ film, explorer, live })) {
  for (const root of document.querySelectorAll(`[data-widget=${name}]`)) {
    build(root, JSON.parse(root.querySelector("script").textContent));
    root.hidden = false;
  }
}
