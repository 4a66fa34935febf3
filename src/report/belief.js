
// A ball in the reader's hand, and what the learned law's filter believes: predicted and corrected frame by frame here.

/** Small matrices as arrays of rows. */
const M = {
  of: (flat, columns) =>
    Array.from({ length: flat.length / columns }, (_, i) => flat.slice(i * columns, (i + 1) * columns)),
  t: a => a[0].map((_, j) => a.map(row => row[j])),
  times: (a, b) => a.map(row => b[0].map((_, j) => row.reduce((sum, v, k) => sum + v * b[k][j], 0))),
  on: (a, v) => a.map(row => row.reduce((sum, x, k) => sum + x * v[k], 0)),
  plus: (a, b, by = 1) => a.map((row, i) => row.map((v, j) => v + by * b[i][j])),
  eye: n => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => Number(i === j))),
  /** X of A X = B, by elimination with pivots. */
  solve(a, b) {
    const n = a.length, rows = a.map((row, i) => [...row, ...b[i]]);
    for (let k = 0; k < n; k++) {
      let best = k;
      for (let i = k + 1; i < n; i++) if (Math.abs(rows[i][k]) > Math.abs(rows[best][k])) best = i;
      [rows[k], rows[best]] = [rows[best], rows[k]];
      for (let i = 0; i < n; i++) {
        if (i === k) continue;
        const f = rows[i][k] / rows[k][k];
        for (let j = k; j < rows[i].length; j++) rows[i][j] -= f * rows[k][j];
      }
    }
    return rows.map((row, k) => row.slice(n).map(v => v / row[k]));
  },
  /** log |A| of a positive definite A, by the pivots of elimination. */
  logDeterminant(a) {
    const rows = a.map(row => [...row]);
    return rows.reduce((sum, row, k) => {
      for (let i = k + 1; i < rows.length; i++) {
        const f = rows[i][k] / row[k];
        for (let j = k; j < row.length; j++) rows[i][j] -= f * row[j];
      }
      return sum + Math.log(row[k]);
    }, 0);
  },
  /** Least x of A x = v in the sense of least squares, steadied by a small ridge. */
  least(a, v) {
    const back = M.t(a), square = M.times(a, back);
    const ridge = 1e-9 * square.reduce((sum, row, i) => sum + row[i], 0) / square.length + 1e-300;
    const inner = M.solve(M.plus(square, M.eye(a.length), ridge), v.map(x => [x]));
    return M.on(back, inner.map(row => row[0]));
  },
};
const vectorSum = (a, b, by = 1) => a.map((v, i) => v + by * b[i]);

/** The Kalman filter of a law: predicts a frame ahead, and corrects by the code of a frame that is seen. */
const filterOf = law => {
  const n = law.latent, p = law.code;
  const [A, Q, C] = [law.transition_matrix, law.transition_cov, law.emission_matrix].map(flat => M.of(flat, n));
  const R = M.of(law.emission_cov, p);
  const even = P => P.map((row, i) => row.map((v, j) => 0.5 * (v + P[j][i])));
  return {
    A, C,
    start: () => ({ mean: [...law.initial_mean], cov: M.of(law.initial_cov, n) }),
    miss: known => known,
    next: z => vectorSum(M.on(A, z), law.transition_offset),
    emit: z => vectorSum(M.on(C, z), law.emission_offset),
    predict({ mean, cov }) {
      return { mean: this.next(mean), cov: even(M.plus(M.times(M.times(A, cov), M.t(A)), Q)) };
    },
    correct({ mean, cov }, code) {
      const across = M.times(cov, M.t(C));
      const spread = M.plus(M.times(C, across), R);
      const gain = M.t(M.solve(spread, M.t(across)));
      const kept = M.plus(M.eye(n), M.times(gain, C), -1);
      return {
        mean: vectorSum(mean, M.on(gain, vectorSum(code, this.emit(mean), -1))),
        // Joseph's form: positive whatever is rounded.
        cov: even(M.plus(M.times(M.times(kept, cov), M.t(kept)), M.times(M.times(gain, R), M.t(gain)))),
      };
    },
    /** log N(code; C m + d, C P C' + R), nats. */
    density({ mean, cov }, code) {
      const off = vectorSum(code, this.emit(mean), -1).map(v => [v]);
      const spread = M.plus(M.times(C, M.times(cov, M.t(C))), R);
      const square = M.times(M.t(off), M.solve(spread, off))[0][0];
      return -0.5 * (square + M.logDeterminant(spread) + p * Math.log(2 * Math.PI));
    },
  };
};

const logSum = values => {
  const top = Math.max(...values);
  return top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
};

/**
 * The filter of a law whose modes the state chooses: at most 16 mode paths, each with a Kalman filter of its own, branch, are
 * weighed by the code, and those of almost the same state become one. What it tells is the mixture's mean and covariance.
 */
const switchingOf = (law, modes) => {
  const n = law.latent, count = modes.offsets.length / n, features = modes.biases.length;
  const MOST = 16, WITHIN = 0.01, LEAST_PROBABLE = -30, LEAST_WEIGHT = -25;
  const laws = Array.from({ length: count }, (_, k) => filterOf({ ...law,
    transition_matrix: modes.matrices.slice(k * n * n, (k + 1) * n * n),
    transition_offset: modes.offsets.slice(k * n, (k + 1) * n) }));
  /** log p(k | m, P) of every mode. */
  const probabilities = ({ mean, cov }) => {
    const value = j => {
      const g = modes.directions.slice(j * n, (j + 1) * n), dot = v => g.reduce((sum, x, i) => sum + x * v[i], 0);
      return (modes.biases[j] + dot(mean)) / Math.sqrt(1 + Math.PI / 8 * dot(M.on(cov, g)));
    };
    const all = Array.from({ length: features }, (_, j) => value(j));
    const logits = laws.map((_, k) => all.reduce((sum, v, j) => sum + (modes.uses[k * features + j] ? v : 0), 0));
    const total = logSum(logits);
    return logits.map(v => v - total);
  };
  const likely = (state, known) => {
    const found = probabilities({ mean: state, cov: known });
    return laws[found.indexOf(Math.max(...found))];
  };
  const nothing = M.plus(M.eye(n), M.eye(n), -1);
  const mixed = paths => {
    const shares = paths.map(path => Math.exp(path.weight)), total = shares.reduce((sum, v) => sum + v, 0);
    const sum = (zero, of) => paths.reduce((all, path, i) => of(all, path, shares[i] / total), zero);
    const mean = sum(nothing[0], (all, path, share) => vectorSum(all, path.mean, share));
    const cov = sum(nothing, (all, path, share) => {
      const off = vectorSum(path.mean, mean, -1).map(v => [v]);
      return M.plus(all, M.plus(path.cov, M.times(off, M.t(off))), share);
    });
    return { paths, mean, cov };
  };
  const keep = branches => {
    const order = [...branches].sort((a, b) => b.weight - a.weight), heads = [];
    for (const branch of order) {
      if (branch.weight < order[0].weight + LEAST_WEIGHT) break;
      const far = ({ mean, cov }) => mean.reduce((sum, m, i) => sum + (m - branch.mean[i]) ** 2 / cov[i][i], 0);
      const same = heads.find(head => far(head) < WITHIN);
      if (same) same.parts.push(branch.weight);
      else if (heads.length < MOST) heads.push({ ...branch, parts: [branch.weight] });
    }
    const total = logSum(heads.flatMap(head => head.parts));
    return mixed(heads.map(({ mean, cov, parts }) => ({ mean, cov, weight: logSum(parts) - total })));
  };
  return {
    A: laws[0].A, C: laws[0].C, emit: laws[0].emit,
    start: () => mixed([{ ...laws[0].start(), weight: 0 }]),
    next: z => likely(z, nothing).next(z),
    predict: ({ paths }) => mixed(paths.flatMap(path => {
      const found = probabilities(path), least = Math.max(...found) + LEAST_PROBABLE;
      const followed = found.flatMap((log, k) => log >= least ? [{ log, k }] : []), total = logSum(followed.map(f => f.log));
      return followed.map(({ log, k }) => ({ ...laws[k].predict(path), weight: path.weight + log - total }));
    })),
    correct: ({ paths }, code) => keep(paths.map(path =>
      ({ ...laws[0].correct(path, code), weight: path.weight + laws[0].density(path, code) }))),
    miss: ({ paths }) => keep(paths),
  };
};

function belief(data, network) {
  const { channels, height, width, explorer: space } = data;
  const filter = space.modes ? switchingOf(space.filter, space.modes) : filterOf(space.filter), { A, C } = filter;
  const area = height * width;

  // Where a frame has its body: the centre of what differs from the median of decoded frames.
  let state = 1;
  const draw = () => { state = (state * 48271) % 2147483647; return state / 2147483647; };
  const samples = Array.from({ length: 15 }, () =>
    network(filter.emit(space.latents.map(axis => axis.low + draw() * (axis.high - axis.low)))));
  const median = i => samples.map(frame => frame[i]).sort((a, b) => a - b)[7];
  const ground = Float32Array.from({ length: channels * area }, (_, i) => median(i));
  const place = frame => {
    let sum = 0, x = 0, y = 0;
    for (let i = 0; i < channels * area; i++) {
      const weight = (frame[i] - ground[i]) ** 2, at = i % area;
      sum += weight; x += weight * (at % width + 0.5); y += weight * (Math.floor(at / width) + 0.5);
    }
    return sum > 1e-9 ? [x / sum, y / sum] : [width / 2, height / 2];
  };
  const codes = samples.map((_, k) => filter.emit(space.latents.map(axis => k % 2 ? axis.high : axis.low)));
  const reach = codes[0].map((v, j) => Math.max(1e-3, Math.abs(v - codes[1][j])));
  /** Place of the frame of a code, and how it moves with the code, (2, p). */
  const seen = code => {
    const frame = network(code), at = place(frame);
    const columns = code.map((v, j) => {
      const by = 0.02 * reach[j], moved = [...code];
      moved[j] = v + by;
      return vectorSum(place(network(moved)), at, -1).map(d => d / by);
    });
    return { frame, at, slope: M.t(columns) };
  };

  // The ball is a latent state that the law moves. The hand changes its code now, C z; a kick that of the next, C A z.
  const both = [...C, ...M.times(C, A)];
  const centre = [...space.centre];
  let z, known, frames, unseen, hidden = false, held = null, timer = 0;
  const put = target => {
    for (let k = 0; k < 3; k++) {
      const { at, slope } = seen(filter.emit(z));
      const off = vectorSum(target, at, -1).map(d => Math.max(-4, Math.min(4, d)));
      const step = M.least(slope, off).map((v, j) => Math.max(-reach[j], Math.min(reach[j], v)));
      const code = vectorSum(filter.emit(z), step);
      // At rest in the hand: the next frame has the same code.
      const lacking = [...vectorSum(code, filter.emit(z), -1), ...vectorSum(code, filter.emit(filter.next(z)), -1)];
      z = vectorSum(z, M.least(both, lacking));
    }
  };
  const kick = by => {
    const { slope } = seen(filter.emit(z));
    z = vectorSum(z, M.least(both, [...C.map(() => 0), ...M.least(slope, by)]));
  };

  const scale = Math.max(1, Math.floor(256 / width));
  const there = screen(width, height, "the ball: drag it", "screen now");
  const believed = screen(scale * width, scale * height, "believed, with 95 % of the place", "screen now");
  const small = make("canvas", { width, height });
  Object.entries({ tabindex: 0, role: "application" }).forEach(([key, value]) => there.canvas.setAttribute(key, value));
  there.canvas.setAttribute("aria-label", "the ball: arrow keys move it, H hides it, K kicks it");
  const told = make("output", { "data-belief": "" });
  const button = (text, act) => {
    const node = make("button", { type: "button" }, text);
    node.addEventListener("click", act);
    return node;
  };

  const show = () => {
    const truth = network(filter.emit(z)), spot = place(truth);
    paintFrame(there.canvas, truth, data);
    there.node.classList.toggle("unseen", hidden);
    there.label.textContent = hidden ? "the ball, hidden from the model" : "the ball: drag it";
    const { frame, at, slope } = seen(filter.emit(known.mean));
    paintFrame(small, frame, data);
    const context = believed.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, scale * width, scale * height);
    // The ellipse that holds 95 % of a normal place: half axes sqrt(5.991 lambda) along the eigenvectors.
    const reached = M.times(slope, C), S = M.times(M.times(reached, known.cov), M.t(reached));
    const mid = 0.5 * (S[0][0] + S[1][1]), half = Math.hypot(0.5 * (S[0][0] - S[1][1]), S[0][1]);
    const axes = [mid + half, mid - half].map(v => Math.sqrt(5.991 * Math.max(v, 0)));
    const turn = 0.5 * Math.atan2(2 * S[0][1], S[0][0] - S[1][1]);
    context.lineWidth = 2;
    context.strokeStyle = "#D55E00";
    context.beginPath();
    const [long, short] = axes.map(v => Math.max(2, scale * v));
    context.ellipse(scale * at[0], scale * at[1], long, short, turn, 0, 2 * Math.PI);
    context.stroke();
    context.strokeStyle = "#56B4E9";
    context.beginPath();
    for (const [dx, dy] of [[1, 1], [1, -1]]) {
      context.moveTo(scale * spot[0] - 5 * dx, scale * spot[1] - 5 * dy);
      context.lineTo(scale * spot[0] + 5 * dx, scale * spot[1] + 5 * dy);
    }
    context.stroke();
    const off = Math.hypot(...vectorSum(spot, at, -1));
    told.textContent = `frame ${frames}, ${hidden ? `hidden for ${unseen}` : "seen"}; believed ${off.toFixed(1)} px ` +
      `from the ball (cross), ellipse of ${axes.map(v => v.toFixed(1)).join(" by ")} px`;
    Object.assign(told.dataset, { x: at[0], y: at[1], trueX: spot[0], trueY: spot[1], wide: axes[0], narrow: axes[1] });
  };
  const step = () => {
    if (!held) z = filter.next(z);
    known = filter.predict(known);
    frames += 1;
    unseen = hidden ? unseen + 1 : 0;
    known = hidden ? filter.miss(known) : filter.correct(known, filter.emit(z));
    show();
  };
  const again = () => {
    [z, frames, unseen] = [[...centre], 0, 0];
    known = filter.correct(filter.start(), filter.emit(z));
    show();
  };
  const hide = () => {
    hidden = !hidden;
    hiding.setAttribute("aria-pressed", hidden);
    hiding.textContent = hidden ? "Show it" : "Hide it";
    show();
  };
  const play = on => {
    clearInterval(timer);
    timer = on ? setInterval(step, Math.min(1000, Math.max(40, 1000 * space.dt))) : 0;
    running.textContent = on ? "Pause" : "Play";
  };
  const anywhere = () => {
    const angle = 2 * Math.PI * draw();
    kick([3 * Math.cos(angle), 3 * Math.sin(angle)]);
    play(true);
  };
  const running = button("Play", () => play(!timer));
  const hiding = button("Hide it", hide);
  hiding.setAttribute("aria-pressed", false);

  const pointed = event => {
    const box = there.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * width, (event.clientY - box.top) / box.height * height];
  };
  there.canvas.style.touchAction = "none";
  there.canvas.addEventListener("pointerdown", event => {
    there.canvas.setPointerCapture(event.pointerId);
    held = pointed(event);
    put(held);
    show();
    play(true);
  });
  there.canvas.addEventListener("pointermove", event => {
    if (!held) return;
    held = pointed(event);
    put(held);
    show();
  });
  for (const name of ["pointerup", "pointercancel"]) there.canvas.addEventListener(name, () => { held = null; });
  there.canvas.addEventListener("keydown", event => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (move) {
      put(vectorSum(place(network(filter.emit(z))), move));
      step();
    } else if (event.key === "h" || event.key === "H") hide();
    else if (event.key === "k" || event.key === "K") anywhere();
    else if (event.key === " ") play(!timer);
    else return;
    event.preventDefault();
  });
  again();
  return make("section", { class: "belief", "data-part": "belief" },
    make("h4", {}, "The law's own filter, in your hand"),
    make("p", {}, "The learned law moves the ball. Drag it or use the arrow keys, kick it, hide it: the filter is " +
      "told the code of every frame that it sees and nothing else."),
    make("div", { class: "screens" }, there.node, believed.node),
    make("div", { class: "controls" }, running, button("One frame", () => { play(false); step(); }), hiding,
      button("Kick it", anywhere), button("Begin again", () => { play(false); again(); }), told));
}
