// A world that runs in the page, and the model that watches its pixels: both by the WebAssembly module that stands in the page.

let compiled = null;
/** The module, unpacked and compiled once. */
const liveModule = () => {
  const text = document.getElementById("live-module").textContent;
  const packed = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  compiled ??= new Response(stream).arrayBuffer().then(bytes => WebAssembly.compile(bytes));
  return compiled;
};

/** What a module with an open page does, and tells. */
const liveWorld = async data => {
  const { exports: x } = await WebAssembly.instantiate(await liveModule(), {});
  const bytes = (at, count) => new Uint8Array(x.memory.buffer, at, count);
  const give = text => {
    const encoded = new TextEncoder().encode(text), at = x.input(encoded.length);
    bytes(at, encoded.length).set(encoded);
  };
  const done = ok => {
    if (!ok) throw new Error(new TextDecoder().decode(bytes(x.message(), x.message_length())));
  };
  give(JSON.stringify(data));
  done(x.open());
  return {
    exports: x,
    begin: seed => done(x.begin(seed)),
    step: seen => done(x.step(seen ? 1 : 0)),
    hold: ([column, row]) => done(x.hold(column, row)),
    release: () => done(x.release()),
    kick: ([column, row], [right, down]) => done(x.kick(column, row, right, down)),
    frame: () => bytes(x.pixels(), x.pixel_count()),
    picture: () => bytes(x.picture(), x.pixel_count()),
    told: () => {
      const v = Array.from(new Float64Array(x.memory.buffer, x.output(), x.output_count()));
      const [touchable, column, row, atColumn, atRow, wide, narrow, turn, surprise, seen, n, k] = v;
      const mean = v.slice(12, 12 + n), cov = v.slice(12 + n, 12 + n + n * n);
      const modes = v.slice(12 + n + n * n, 12 + n + n * n + k);
      return { touchable: touchable > 0, own: [column, row], at: [atColumn, atRow], wide, narrow, turn, surprise,
        seen: seen > 0, mean, cov, modes };
    },
  };
};

function live(root, data) {
  const { channels, height, width } = data, scale = Math.max(1, Math.floor(256 / width));
  const there = screen(width, height, "the world: drag its body", "screen now");
  const believed = screen(scale * width, scale * height, "believed, with 95 % of the place", "screen now");
  const small = make("canvas", { width, height });
  Object.entries({ tabindex: 0, role: "application" }).forEach(([key, value]) => there.canvas.setAttribute(key, value));
  const keys = "arrow keys move the body, H hides the world, K kicks it, N goes on by one frame, R begins again, " +
    "space plays and pauses";
  there.canvas.setAttribute("aria-label", `the world: ${keys}`);
  there.canvas.style.touchAction = "none";
  const told = make("output", { "data-live": "" });
  const legend = make("figcaption");
  const trail = make("canvas", { width: 512, height: 72, role: "img", "aria-label": "error and surprise, frame by frame" });
  const dots = (canvas, values) => {
    const area = height * width, context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let p = 0; p < area; p++) {
      for (let c = 0; c < 3; c++) image.data[4 * p + c] = values[(channels === 3 ? c * area : 0) + p];
      image.data[4 * p + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };
  const button = (text, act) => {
    const node = make("button", { type: "button" }, text);
    node.addEventListener("click", act);
    return node;
  };
  let world, frames = 0, unseen = 0, seed = 0, hidden = false, held = null, before = null, timer = 0, past = [];

  /** Error (blue) and surprise (orange) of the last frames, hidden ones on grey. */
  const history = () => {
    const context = trail.getContext("2d"), style = getComputedStyle(document.documentElement);
    context.clearRect(0, 0, trail.width, trail.height);
    const step = trail.width / 128, top = key => Math.max(key === "off" ? 2 : 10, ...past.map(p => p[key]));
    context.fillStyle = style.getPropertyValue("--line");
    past.forEach((p, i) => { if (!p.seen) context.fillRect(i * step, 0, step + 0.5, trail.height); });
    for (const [key, colour] of [["off", "#56B4E9"], ["surprise", "#D55E00"]]) {
      const most = top(key);
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.beginPath();
      past.forEach((p, i) => {
        const y = trail.height - 3 - (trail.height - 6) * Math.max(0, p[key]) / most;
        if (i) context.lineTo((i + 0.5) * step, y); else context.moveTo((i + 0.5) * step, y);
      });
      context.stroke();
    }
    legend.textContent = `frame by frame: error (blue, up to ${top("off").toFixed(1)} px), surprise of the code (orange, up to ` +
      `${top("surprise").toFixed(0)} nats); hidden frames grey`;
  };
  const show = () => {
    const now = world.told();
    dots(there.canvas, world.frame());
    there.node.classList.toggle("unseen", hidden);
    there.label.textContent = hidden ? "the world, hidden from the model"
      : now.touchable ? "the world: drag its body" : "the world";
    dots(small, world.picture());
    const context = believed.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, scale * width, scale * height);
    context.lineWidth = 2;
    context.strokeStyle = "#D55E00";
    context.beginPath();
    const [long, short] = [now.wide, now.narrow].map(v => Math.min(4 * 256, Math.max(2, scale * v)));
    context.ellipse(scale * now.at[0], scale * now.at[1], long, short, now.turn, 0, 2 * Math.PI);
    context.stroke();
    let off = NaN;
    if (now.touchable) {
      off = Math.hypot(...vectorSum(now.own, now.at, -1));
      context.strokeStyle = "#56B4E9";
      context.beginPath();
      for (const [dx, dy] of [[1, 1], [1, -1]]) {
        context.moveTo(scale * now.own[0] - 5 * dx, scale * now.own[1] - 5 * dy);
        context.lineTo(scale * now.own[0] + 5 * dx, scale * now.own[1] + 5 * dy);
      }
      context.stroke();
    }
    const how = hidden ? `hidden for ${unseen}` : now.seen ? "seen" : "too little to see";
    const error = now.touchable ? `believed ${off.toFixed(1)} px from the true place (cross), ` : "";
    told.textContent = `frame ${frames}, ${(frames * data.dt).toFixed(1)} s, ${how}; ${error}` +
      `ellipse of ${now.wide.toFixed(1)} by ${now.narrow.toFixed(1)} px` +
      (now.seen ? `, surprise of the code ${minus(now.surprise.toFixed(1))} nats` : "");
    Object.assign(told.dataset, { x: now.at[0], y: now.at[1], trueX: now.own[0], trueY: now.own[1], wide: now.wide,
      narrow: now.narrow, surprise: now.surprise, frame: frames });
    past.push({ off: off || 0, surprise: now.surprise, seen: now.seen });
    past = past.slice(-128);
    history();
  };
  const guarded = act => {
    try { act(); } catch (error) {
      play(false);
      told.textContent = `stopped: ${error.message}`;
    }
  };
  const step = () => guarded(() => {
    if (held) world.hold(held);
    world.step(!hidden);
    before = held;
    frames += 1;
    unseen = hidden ? unseen + 1 : 0;
    show();
  });
  const again = other => guarded(() => {
    if (other) seed += 1;
    world.begin(seed);
    [frames, unseen, past, held] = [0, 0, [], null];
    world.step(!hidden);
    show();
  });
  const play = on => {
    clearInterval(timer);
    timer = on ? setInterval(step, Math.min(100, Math.max(1000 / 30, 1000 * data.dt))) : 0;
    running.textContent = on ? "Pause" : "Play";
  };
  const hide = () => {
    hidden = !hidden;
    hiding.setAttribute("aria-pressed", hidden);
    hiding.textContent = hidden ? "Show it" : "Hide it";
    there.node.classList.toggle("unseen", hidden);
  };
  /** Across a third of the picture in ten frames, anywhere. */
  const kick = () => guarded(() => {
    const angle = 2 * Math.PI * Math.random(), speed = width / 30 / data.dt;
    world.kick(world.told().own, [speed * Math.cos(angle), speed * Math.sin(angle)]);
    step();
  });
  const letGo = () => {
    if (!held) return;
    guarded(() => {
      // Thrown as it was moved since the last frame, at most a quarter of the picture a frame.
      const by = before ? vectorSum(held, before, -1) : [0, 0], far = Math.hypot(...by);
      const share = far > width / 4 ? width / 4 / far : 1;
      world.hold(held);
      world.release();
      if (far > 0.2) world.kick(held, by.map(v => share * v / data.dt));
      held = null;
    });
  };

  const pointed = event => {
    const box = there.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * width, (event.clientY - box.top) / box.height * height];
  };
  const running = button("Play", () => play(!timer)), hiding = button("Hide it", hide);
  hiding.setAttribute("aria-pressed", false);
  const controls = [running, button("One frame", () => { play(false); step(); }), hiding, button("Kick it", kick),
    button("Begin again", () => again(false)), button("Another start", () => again(true))];
  there.canvas.addEventListener("pointerdown", event => {
    there.canvas.setPointerCapture(event.pointerId);
    [held, before] = [pointed(event), null];
    step();
    play(true);
  });
  there.canvas.addEventListener("pointermove", event => { if (held) held = pointed(event); });
  for (const name of ["pointerup", "pointercancel"]) there.canvas.addEventListener(name, letGo);
  there.canvas.addEventListener("keydown", event => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, move = moves[key];
    if (move) {
      held = vectorSum(world.told().own, move);
      step();
      guarded(() => world.release());
      held = null;
    } else if (key === "h") hide();
    else if (key === "k") kick();
    else if (key === "n") { play(false); step(); }
    else if (key === "r") again(false);
    else if (key === " ") play(!timer);
    else return;
    event.preventDefault();
  });
  const note = make("p", {}, "unpacks …");
  root.append(note);
  liveWorld({ world: data.world, video: data.video, dt: data.dt, watcher: data.watcher }).then(opened => {
    world = opened;
    note.textContent = "The world of the training data runs here, and the model sees nothing but its pixels: it encodes " +
      "every frame, filters, and draws what it believes. Drag the body and let go, kick it, hide it.";
    root.append(make("div", { class: "screens" }, there.node, believed.node),
      make("div", { class: "controls" }, ...controls, told), make("figure", { class: "trail" }, trail, legend),
      make("p", { class: "note" }, `By keyboard, with the world in focus: ${keys}.`));
    again(false);
    root.dataset.ready = "";
    // For measuring from outside.
    root.live = { world, step };
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
      new IntersectionObserver(([entry]) => { play(entry.isIntersecting); }).observe(root);
    }
  }).catch(error => { note.textContent = `This browser cannot run it: ${error.message}`; });
}
