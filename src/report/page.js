"use strict";
// The moving parts of the page: film players and latent explorers, each built from the JSON inside its element.
// Nothing is fetched; without scripts the drawn figures stay.

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const minus = text => text.replace("-", "\u2212");

/** A canvas of one frame with its caption under it. */
const screen = (width, height, caption, className) => {
  const canvas = make("canvas", { width, height, role: "img", "aria-label": caption });
  const label = make("figcaption", {}, caption);
  return { canvas, label, node: make("figure", { class: className }, canvas, label) };
};

function film(root, data) {
  const screens = data.labels.map(label => screen(data.width, data.height, label, "screen"));
  const button = make("button", { type: "button" });
  const slider = make("input", { type: "range", min: 0, max: data.count - 1, step: 1, value: 0, "aria-label": "frame" });
  const told = make("output");
  const strip = make("div", { class: "screens" }, ...screens.map(s => s.node));
  root.append(strip, make("div", { class: "controls" }, button, slider, told));
  const sprite = new Image();
  let timer = 0;
  const draw = () => {
    const t = Number(slider.value);
    const unseen = data.start !== null && t >= data.start;
    screens.forEach(({ canvas, node }, row) => {
      canvas.getContext("2d").drawImage(sprite, t * data.width, row * data.height, data.width, data.height,
        0, 0, data.width, data.height);
      node.classList.toggle("unseen", unseen && data.labels[row].startsWith("predict"));
    });
    told.textContent = `frame ${t}, ${(t * data.dt).toFixed(2)} s` + (unseen ? ", predicted without seeing" : "");
  };
  const play = on => {
    clearInterval(timer);
    timer = on ? setInterval(() => {
      slider.value = (Number(slider.value) + 1) % data.count;
      draw();
    }, Math.min(1000, Math.max(40, 1000 * data.dt))) : 0;
    button.textContent = on ? "Pause" : "Play";
  };
  button.addEventListener("click", () => play(!timer));
  slider.addEventListener("input", () => { play(false); draw(); });
  sprite.addEventListener("load", draw);
  sprite.src = data.sprite;
  play(false);
  // Moves by itself where it is seen and motion is welcome.
  let asked = false;
  button.addEventListener("click", () => { asked = true; });
  slider.addEventListener("input", () => { asked = true; });
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
    new IntersectionObserver(([entry]) => { if (!asked) play(entry.isIntersecting); }).observe(root);
  }
}

/** Half-precision numbers in base64 as single precision. */
function numbers(text) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const out = new Float32Array(bytes.length / 2);
  for (let i = 0; i < out.length; i++) {
    const half = view.getUint16(2 * i, true);
    const exponent = (half >> 10) & 31, fraction = half & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    out[i] = half & 0x8000 ? -size : size;
  }
  return out;
}

const LAYERS = {
  linear(x, { outputs, weight, bias }) {
    const y = Float32Array.from(bias);
    x.forEach((value, i) => {
      if (value === 0) return;
      for (let j = 0, at = i * outputs; j < outputs; j++) y[j] += value * weight[at + j];
    });
    return y;
  },
  convolution(x, { channels, height, width, kernel, outputs, weight, bias }) {
    const half = kernel >> 1, y = new Float32Array(outputs * height * width);
    for (let o = 0; o < outputs; o++) {
      const map = y.subarray(o * height * width, (o + 1) * height * width).fill(bias[o]);
      for (let c = 0; c < channels; c++) for (let di = 0; di < kernel; di++) for (let dj = 0; dj < kernel; dj++) {
        const w = weight[((o * channels + c) * kernel + di) * kernel + dj];
        for (let i = Math.max(0, half - di); i < Math.min(height, height + half - di); i++) {
          const from = (c * height + i + di - half) * width + dj - half;
          for (let j = Math.max(0, half - dj); j < Math.min(width, width + half - dj); j++) {
            map[i * width + j] += w * x[from + j];
          }
        }
      }
    }
    return y;
  },
  pixel_shuffle(x, { channels, height, width }) {
    const y = new Float32Array(x.length);
    for (let c = 0; c < channels; c++) for (let i = 0; i < 2 * height; i++) for (let j = 0; j < 2 * width; j++) {
      y[(c * 2 * height + i) * 2 * width + j] = x[((4 * c + 2 * (i % 2) + j % 2) * height + (i >> 1)) * width + (j >> 1)];
    }
    return y;
  },
};

/** M v + c of a row-major matrix. */
const affine = (matrix, offset, v) =>
  offset.map((c, i) => v.reduce((sum, value, j) => sum + matrix[i * v.length + j] * value, c));

/** From codes to frames: the network that stands in the page. */
const decoderOf = ({ layers, pixels }) => {
  const all = layers.map(layer => {
    const [[kind, sizes]] = Object.entries(layer);
    const arrays = sizes.weight === undefined ? {} : { weight: numbers(sizes.weight), bias: numbers(sizes.bias) };
    return { kind, sizes: { ...sizes, ...arrays } };
  });
  return codes => {
    let x = Float32Array.from(codes);
    for (const { kind, sizes } of all) {
      x = LAYERS[kind](x, sizes);
      if (sizes.relu) x.forEach((v, i) => { if (v < 0) x[i] = 0; });
    }
    return pixels === "sigmoid" ? x.map(v => 1 / (1 + Math.exp(-v))) : x;
  };
};

/** Draws a frame (C, H, W) of values in [0, 1] into a canvas of its size. */
const paintFrame = (canvas, frame, { channels, height, width }) => {
  const area = height * width;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let p = 0; p < area; p++) {
    for (let c = 0; c < 3; c++) image.data[4 * p + c] = Math.round(255 * frame[(channels === 3 ? c * area : 0) + p]);
    image.data[4 * p + 3] = 255;
  }
  context.putImageData(image, 0, 0);
};

function explorer(root, data) {
  const { height, width, explorer: space } = data;
  const network = decoderOf(space.decoder);
  const { emission } = space.decoder;
  const decode = z => network(emission ? affine(emission[0], emission[1], z) : z);
  const paint = (canvas, z) => paintFrame(canvas, decode(z), data);

  let z = [...space.centre];
  const n = z.length, d = space.identified.length;
  const now = screen(width, height, "decoded frame", "screen now");
  const later = space.law ? [2, 4, 6, 8].map(frames =>
    ({ frames, ...screen(width, height, `${(frames * space.dt).toFixed(1)} s later`, "screen") })) : [];
  const read = () => affine(space.read, space.read_offset, z);
  const sliders = [];
  const group = (title, axes, value, move) => {
    const list = axes.map((axis, j) => {
      const low = Math.min(axis.low, value(j)), high = Math.max(axis.high, value(j), low + 1e-6);
      const input = make("input", { type: "range", min: low, max: high, step: (high - low) / 200, "data-axis": axis.name });
      const told = make("output");
      input.addEventListener("input", () => { move(j, Number(input.value)); show(input); });
      sliders.push({ input, told, unit: axis.unit, value: () => value(j) });
      return make("label", {}, make("span", {}, axis.name), input, told);
    });
    return make("fieldset", {}, make("legend", {}, title), ...list);
  };
  const groups = [];
  if (d > 0) {
    groups.push(group("identified axes", space.identified, j => read()[j], (j, target) => {
      const by = target - read()[j];
      z = z.map((v, i) => v + space.write[i * d + j] * by);
    }));
  }
  groups.push(group("raw latents", space.latents, j => z[j], (j, target) => { z[j] = target; }));
  const reset = make("button", { type: "button" }, "Back to the centre");
  reset.addEventListener("click", () => { z = [...space.centre]; show(); });

  let waiting = false;
  const draw = () => {
    waiting = false;
    paint(now.canvas, z);
    let at = z, step = 0;
    for (const { frames, canvas } of later) {
      for (; step < frames; step++) at = affine(space.law[0], space.law[1], at);
      paint(canvas, at);
    }
  };
  /** Sliders, except the one in hand, and frames follow z. */
  const show = inHand => {
    for (const { input, told, unit, value } of sliders) {
      const v = value();
      if (input !== inHand) input.value = v;
      told.textContent = minus(v.toFixed(Math.abs(v) < 10 ? 2 : 1)) + (unit ? ` ${unit}` : "");
      input.setAttribute("aria-valuetext", told.textContent);
    }
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  };
  const strip = make("div", { class: "screens" }, now.node, ...later.map(s => s.node));
  root.append(strip, make("div", { class: "sliders" }, ...groups, reset));
  if (n > 0) show();
  if (space.filter && emission) root.append(belief(data, network));
}
