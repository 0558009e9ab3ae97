"use strict";
// Draws the schedule, the utilisation and the queue from the data embedded in the page. Text from outside reaches
// the page only as canvas text or textContent. LOOK (colours) stands before this file.
(() => {
const $ = (id) => document.getElementById(id);
const D = JSON.parse($("data").textContent);

// ---- unpacking; the other half is haizea.report.pack ----
function unpack(text) {
  const bytes = atob(text), out = [];
  for (let i = 0, value = 0, scale = 1; i < bytes.length; i++) {
    const byte = bytes.charCodeAt(i);
    value += (byte & 127) * scale;
    if (byte > 127) { scale *= 128; } else { out.push(value); value = 0; scale = 1; }
  }
  return out;
}
const unzigzag = (n) => (n % 2 ? -(n + 1) / 2 : n / 2);
function changes(text) {
  let sum = 0;
  return unpack(text).map((n) => (sum += unzigzag(n)));
}

const HOSTS = D.hosts.length, UNIT = D.unit, END = D.end;
const L = {
  id: changes(D.leases.id), type: unpack(D.leases.type), state: unpack(D.leases.state),
  nodes: unpack(D.leases.nodes), known: unpack(D.leases.known), submitted: changes(D.leases.submitted),
};
const start = Float64Array.from(changes(D.groups.start));
const end = Float64Array.from(unpack(D.groups.length), (n, g) => start[g] + n);
const lease = Int32Array.from(changes(D.groups.lease));
const what = unpack(D.groups.what);
const kindOf = (g) => D.kinds[Math.floor(what[g] / D.outcomes.length)];
const outcomeOf = (g) => D.outcomes[what[g] % D.outcomes.length];
const typeOf = (l) => D.leases.types[L.type[l]];

// ---- styles: a colour by type, a texture by kind or outcome ----
const TYPES = Object.keys(LOOK.types), TEXTURES = ["run", "suspend", "resume", "shutdown", "lost", "cancelled"];
const TRANSFER = TYPES.length * TEXTURES.length, MIGRATE = TRANSFER + 1, STYLES = MIGRATE + 1;
function styleOf(g) {
  const kind = kindOf(g), outcome = outcomeOf(g);
  if (kind === "transfer") return TRANSFER;
  if (kind === "migrate") return MIGRATE;
  let type = TYPES.indexOf(typeOf(lease[g]));
  if (type < 0) type = TYPES.length - 1;
  let texture = 0;
  if (outcome === "lost" || outcome === "failed") texture = 4;
  else if (kind !== "run") texture = Math.max(0, TEXTURES.indexOf(kind));
  else if (outcome === "cancelled") texture = 5;
  return type * TEXTURES.length + texture;
}
const style = Uint8Array.from(start, (_, g) => styleOf(g));

// ---- one entry per host and reservation, by host, then start ----
const S = {
  gap: unpack(D.stretches.gap).map(unzigzag), hosts: unpack(D.stretches.hosts),
  per: unpack(D.stretches.per_host), vm: unpack(D.stretches.vm),
};
const first = new Uint32Array(HOSTS + 1);
const stretchHost = new Int32Array(S.hosts.length), stretchGroup = new Int32Array(S.hosts.length);
let total = 0, s = 0;
unpack(D.groups.stretches).forEach((count, g) => {
  for (let n = 0, host = 0; n < count; n++, s++) {
    host += S.gap[s];
    stretchHost[s] = host; stretchGroup[s] = g;
    for (let h = host; h < host + S.hosts[s]; h++) first[h + 1]++;
    host += S.hosts[s]; total += S.hosts[s];
  }
});
for (let h = 0; h < HOSTS; h++) first[h + 1] += first[h];
const entryGroup = new Int32Array(total), entryStretch = new Int32Array(total);
const fill = first.slice();
for (s = 0; s < stretchGroup.length; s++) {
  for (let h = stretchHost[s]; h < stretchHost[s] + S.hosts[s]; h++) {
    const at = fill[h]++;
    entryGroup[at] = stretchGroup[s]; entryStretch[at] = s;
  }
}
function countText(text) {
  let n = 0;
  for (const piece of text.split(",")) {
    const ends = piece.split("-").map(Number);
    n += ends.length === 2 && ends[1] >= ends[0] ? ends[1] - ends[0] + 1 : 1;
  }
  return n;
}
function vmsOf(entry) {
  const s = entryStretch[entry], per = S.per[s];
  if (!per) return D.texts[S.vm[s]];
  const from = S.vm[s] + (hostOf(entry) - stretchHost[s]) * per;
  return per === 1 ? String(from) : from + "-" + (from + per - 1);
}
function hostOf(entry) {
  let low = 0, high = HOSTS - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (first[middle] <= entry) low = middle; else high = middle - 1;
  }
  return low;
}

// ---- slots: leases that share a host share its row ----
const SLOTS_MAX = 12;
const slot = new Uint16Array(total), slots = new Uint16Array(total), rowSlots = new Uint16Array(HOSTS);
const longest = new Float64Array(HOSTS), hasCopies = new Uint8Array(HOSTS);
function stack(host, weighted) {
  const ends = [], last = new Map();
  const isFree = (from, n, at) => {
    for (let i = from; i < Math.min(from + n, ends.length); i++) if (ends[i] > at) return false;
    return true;
  };
  for (let e = first[host]; e < first[host + 1]; e++) {
    const g = entryGroup[e], s = entryStretch[e];
    longest[host] = Math.max(longest[host], end[g] - start[g]);
    if (style[g] >= TRANSFER) { hasCopies[host] = 1; slots[e] = 0; continue; }
    const n = weighted ? Math.min(S.per[s] || countText(D.texts[S.vm[s]]), SLOTS_MAX + 1) : 1;
    const wanted = last.get(lease[g]);
    let at = 0;
    if (wanted !== undefined && isFree(wanted, n, start[g])) at = wanted;
    else while (at < ends.length && !isFree(at, n, start[g])) at++;
    last.set(lease[g], at);
    for (let i = at; i < at + n; i++) ends[i] = end[g];
    slot[e] = at; slots[e] = n;
  }
  return Math.max(1, ends.length);
}
for (let h = 0; h < HOSTS; h++) {
  rowSlots[h] = stack(h, true);
  if (rowSlots[h] > SLOTS_MAX) rowSlots[h] = stack(h, false);
}
const copies = hasCopies.some((x) => x);

// ---- words ----
function instant(units) {
  const date = new Date(D.origin + units * UNIT);
  return isNaN(date) ? "" : date.toISOString().slice(0, 19).replace("T", " ");
}
function span(units) {
  const s = Math.round(units * UNIT / 1000), sizes = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  for (let i = 0; i < 4; i++) {
    const [size, name] = sizes[i];
    if (s < size) continue;
    const rest = i < 3 ? Math.floor((s % size) / sizes[i + 1][0]) : 0;
    return Math.floor(s / size) + " " + name + (rest ? " " + rest + " " + sizes[i + 1][1] : "");
  }
  return units * UNIT / 1000 + " s";
}
const DAY = 86400000;
const TICKS = [1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5,
  DAY, 2 * DAY, 5 * DAY, 10 * DAY, 30 * DAY, 90 * DAY, 365 * DAY];

// ---- the view ----
const AXIS = 24, MIN_SPAN = Math.max(1, Math.min(END, 10000 / UNIT));
let from = 0, to = END, rowHeight = [48, 30, 16, 6, 4][[6, 16, 50, 160].filter((n) => HOSTS > n).length];
let width = 0, height = 0, gutter = 0, ratio = 1, hovered = -1, chosen = -1, queued = false, colours = {};
const scroller = $("scroller"), gantt = $("gantt"), marks = $("marks"), tip = $("tip");
const FONT = 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
const px = (units) => gutter + (units - from) * (width - gutter) / (to - from);
const at = (x) => from + (x - gutter) * (to - from) / (width - gutter);

function look(a, b) {
  const size = Math.min(Math.max(b - a, MIN_SPAN), END);
  from = Math.min(Math.max((a + b - size) / 2, 0), END - size);
  to = from + size;
  redraw();
}
function zoom(factor, around) {
  const centre = around === undefined ? (from + to) / 2 : around;
  const size = Math.min(Math.max((to - from) * factor, MIN_SPAN), END);
  const a = Math.min(Math.max(centre - (centre - from) * size / (to - from), 0), END - size);
  look(a, a + size);
}
const pan = (share) => look(from + (to - from) * share, to + (to - from) * share);
function redraw() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; draw(); });
}

// ---- colours and textures, from the page's own style ----
function readColours() {
  const css = getComputedStyle(document.documentElement);
  for (const name of ["card", "ink", "soft", "line", "row", "copy", "focus"]) {
    colours[name] = css.getPropertyValue("--" + name).trim();
  }
  colours.solid = []; colours.fill = [];
  const ctx = gantt.getContext("2d");
  for (const type of TYPES) {
    for (const texture of TEXTURES) {
      const base = LOOK.types[type];
      colours.solid.push({ run: base, suspend: mix(base, "#000000", .5), resume: mix(base, "#ffffff", .5),
        shutdown: mix(base, "#000000", .35), lost: LOOK.lost, cancelled: mix(base, colours.card, .6) }[texture]);
      colours.fill.push(texture === "run" ? base : pattern(ctx, base, texture));
    }
  }
  colours.solid.push(LOOK.transfer, colours.copy);
  colours.fill.push(LOOK.transfer, colours.copy);
}
function mix(a, b, share) {
  const channel = (c, i) => parseInt(c.slice(1 + 2 * i, 3 + 2 * i), 16);
  return "#" + [0, 1, 2].map((i) =>
    Math.round(channel(a, i) * (1 - share) + channel(b, i) * share).toString(16).padStart(2, "0")).join("");
}
function pattern(ctx, base, texture) {
  const tile = document.createElement("canvas"), n = 8 * ratio;
  tile.width = tile.height = n;
  const t = tile.getContext("2d");
  const line = (x0, y0, x1, y1) => { t.beginPath(); t.moveTo(x0 * ratio, y0 * ratio); t.lineTo(x1 * ratio, y1 * ratio); t.stroke(); };
  t.fillStyle = { lost: mix(base, colours.card, .7), cancelled: mix(base, colours.card, .65) }[texture] || base;
  t.fillRect(0, 0, n, n);
  t.lineWidth = (texture === "lost" ? 1.6 : 2.6) * ratio;
  t.strokeStyle = { suspend: "#000b", resume: "#fffd", shutdown: "#000b", lost: LOOK.lost, cancelled: base }[texture];
  if (texture === "suspend" || texture === "lost") for (const k of [-8, 0, 8]) line(k - 2, 10, k + 10, -2);
  if (texture === "resume" || texture === "lost") for (const k of [-8, 0, 8]) line(k - 2, -2, k + 10, 10);
  if (texture === "shutdown") { t.lineWidth = 1.5 * ratio; line(0, 2, 8, 2); line(0, 6, 8, 6); }
  if (texture === "cancelled") { t.lineWidth = ratio; line(0, 8, 8, 0); }
  const made = ctx.createPattern(tile, "repeat");
  made.setTransform(new DOMMatrix().scale(1 / ratio));
  return made;
}

// ---- drawing ----
function prepare(canvas, w, h) {
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
    canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio);
    canvas.style.width = w + "px"; canvas.style.height = h + "px";
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, w, h);
  return ctx;
}
function measure() {
  const newRatio = window.devicePixelRatio || 1, changed = newRatio !== ratio || !colours.card;
  ratio = newRatio;
  if (changed) readColours();
  const all = AXIS + HOSTS * rowHeight, limit = Math.max(240, Math.min(820, innerHeight * .85));
  height = Math.min(all, all <= 900 ? 900 : limit);
  scroller.style.height = height + 2 + "px";
  width = scroller.clientWidth;
  $("spacer").style.height = Math.max(0, all - 2 * height) + "px";
  marks.style.marginTop = -height + "px";
  const ctx = gantt.getContext("2d");
  ctx.font = "12px " + FONT;
  const names = HOSTS > 400 ? D.hosts.slice(0, 400) : D.hosts;
  const widest = names.reduce((w, name) => Math.max(w, ctx.measureText(name.slice(0, 40)).width), 40);
  gutter = Math.min(Math.ceil(widest) + 16, 140);
}
function axis(ctx, bottom, labels) {
  const marksMax = (width - gutter) / 105;
  const step = TICKS.find((t) => (to - from) * UNIT / t <= marksMax) || Math.ceil((to - from) * UNIT / marksMax / TICKS[TICKS.length - 1]) * TICKS[TICKS.length - 1];
  ctx.font = "11px " + FONT; ctx.textBaseline = "middle"; ctx.textAlign = "left";
  for (let t = Math.ceil((D.origin + from * UNIT) / step) * step; t <= D.origin + to * UNIT; t += step) {
    const x = Math.round(px((t - D.origin) / UNIT)) + .5;
    ctx.fillStyle = colours.line;
    ctx.fillRect(x - .5, labels ? AXIS - 7 : 0, 1, bottom);
    if (!labels || isNaN(new Date(t)) || x > width - 60) continue;
    const text = new Date(t).toISOString(), midnight = t % DAY === 0;
    ctx.fillStyle = midnight ? colours.ink : colours.soft;
    ctx.fillText(step >= DAY || midnight ? text.slice(0, 10) : step < 6e4 ? text.slice(11, 19) : text.slice(11, 16), x + 4, AXIS / 2);
  }
}
function box(host, e, top) {
  const y = AXIS + host * rowHeight - top, margin = rowHeight >= 10 ? 2 : rowHeight >= 5 ? .5 : 0;
  const strip = copies ? Math.max(rowHeight >= 10 ? 4 : 1, Math.round(rowHeight * .16)) : 0;
  if (!slots[e]) return [y + rowHeight - margin - strip, strip];
  const lane = (rowHeight - 2 * margin - strip) / rowSlots[host];
  return [y + margin + slot[e] * lane, Math.max(lane * slots[e] - (lane >= 8 ? 1 : 0), .5)];
}
function firstVisible(host) {
  let low = first[host], high = first[host + 1];
  const wanted = from - longest[host];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (start[entryGroup[middle]] < wanted) low = middle + 1; else high = middle;
  }
  return low;
}
// What is narrower than a pixel is gathered per slot and pixel: the style that fills most of it, as strong as it is full.
const lanes = Array.from({ length: rowSlots.reduce((a, b) => Math.max(a, b), 1) + 1 }, () => ({ pixel: -1, y: 0, h: 0, sum: 0, best: 0, cover: new Float32Array(STYLES) }));
const STRIP = lanes.length - 1;
function drawHost(ctx, host, top) {
  const scale = (width - gutter) / (to - from), last = first[host + 1];
  for (let e = firstVisible(host); e < last; e++) {
    const g = entryGroup[e];
    if (start[g] > to) break;
    if (end[g] < from) continue;
    const x0 = Math.max(gutter + (start[g] - from) * scale, gutter - 1);
    const x1 = Math.min(gutter + (end[g] - from) * scale, width + 1), size = x1 - x0;
    if (size >= 1.5) {
      const [y, h] = box(host, e, top);
      ctx.fillStyle = size >= 4 && h >= 4 ? colours.fill[style[g]] : colours.solid[style[g]];
      ctx.fillRect(x0, y, size - (size > 6 && h > 6 ? 1 : 0), h);
      if (h >= 11 && size > 18 && slots[e]) label(ctx, g, x0, x1, y, h);
      else if (style[g] < TRANSFER && style[g] % TEXTURES.length === 4 && h >= 5) outline(ctx, x0, y, size - 1, h);
      continue;
    }
    const pixel = Math.floor(x0), lane = lanes[slots[e] ? slot[e] : STRIP];
    if (lane.pixel !== pixel) {
      flush(ctx, lane);
      [lane.y, lane.h] = box(host, e, top);
      lane.pixel = pixel;
    }
    const s = style[g];
    lane.sum += size;
    // Rare textures count thrice: work lost should not drown in what surrounds it.
    lane.cover[s] += size * (s % TEXTURES.length && s < TRANSFER ? 3 : 1) + 1e-6;
    if (lane.cover[s] > lane.cover[lane.best]) lane.best = s;
  }
  for (const lane of lanes) flush(ctx, lane);
}
function flush(ctx, lane) {
  if (lane.pixel < 0) return;
  ctx.globalAlpha = Math.min(1, Math.max(.3, Math.ceil(lane.sum * 5) / 5));
  ctx.fillStyle = colours.solid[lane.best];
  ctx.fillRect(lane.pixel, lane.y, 1, lane.h);
  ctx.globalAlpha = 1;
  lane.cover.fill(0); lane.sum = 0; lane.best = 0; lane.pixel = -1;
}
function outline(ctx, x, y, w, h) {
  ctx.strokeStyle = LOOK.lost; ctx.lineWidth = 1;
  ctx.strokeRect(x + .5, y + .5, w - 1, h - 1);
}
function label(ctx, g, x0, x1, y, h) {
  const texture = style[g] % TEXTURES.length, type = TYPES[Math.floor(style[g] / TEXTURES.length)];
  if (texture === 4) outline(ctx, x0, y, x1 - x0 - 1, h);
  if (texture !== 0 && texture < 4) return;
  ctx.font = "600 " + Math.min(12, Math.max(9, h - 4)) + "px " + FONT;
  ctx.textBaseline = "middle"; ctx.textAlign = "center";
  const text = String(L.id[lease[g]]), left = Math.max(x0, gutter), right = Math.min(x1, width);
  const size = ctx.measureText(text).width, middle = (left + right) / 2;
  if (size + 6 > right - left) return;
  if (texture >= 4) { ctx.fillStyle = colours.card; ctx.fillRect(middle - size / 2 - 3, y + h / 2 - 7, size + 6, 14); }
  ctx.fillStyle = texture >= 4 ? colours.ink : LOOK.on[type];
  ctx.fillText(text, middle, y + h / 2 + .5);
}
function draw() {
  measure();
  const ctx = prepare(gantt, width, height), top = scroller.scrollTop;
  const low = Math.max(0, Math.floor(top / rowHeight)), high = Math.min(HOSTS, Math.ceil((top + height - AXIS) / rowHeight));
  ctx.fillStyle = colours.row;
  for (let h = low; h < high; h++) if (rowHeight < 10 ? Math.floor(h / 10) % 2 : h % 2) ctx.fillRect(0, AXIS + h * rowHeight - top, width, rowHeight);
  ctx.save(); ctx.beginPath(); ctx.rect(gutter, 0, width - gutter, height); ctx.clip();
  axis(ctx, height, true);
  ctx.beginPath(); ctx.rect(gutter, AXIS, width - gutter, height - AXIS); ctx.clip();
  for (let h = low; h < high; h++) drawHost(ctx, h, top);
  ctx.restore();
  const every = rowHeight >= 12 ? 1 : Math.ceil(14 / rowHeight / 5) * 5;
  ctx.font = "12px " + FONT; ctx.textBaseline = "middle"; ctx.textAlign = "right"; ctx.fillStyle = colours.ink;
  ctx.save(); ctx.beginPath(); ctx.rect(0, AXIS, gutter - 4, height); ctx.clip();
  for (let h = low; h < high; h++) {
    if (h % every === 0) ctx.fillText(D.hosts[h].slice(0, 40), gutter - 8, Math.max(AXIS + (h + .5) * rowHeight - top, h ? 0 : AXIS + 7 - top), gutter - 12);
  }
  ctx.restore();
  ctx.fillStyle = colours.line; ctx.fillRect(gutter - 1, 0, 1, height); ctx.fillRect(0, AXIS - 1, width, 1);
  drawMarks();
  chart($("utilisation"), U, 1000, (v) => v / 10 + " %");
  chart($("queue"), Q, Math.max(4, Q.most), String);
  $("view").textContent = instant(from) + "  to  " + instant(to) + "  (" + span(to - from) + ")";
}
function drawMarks() {
  const ctx = prepare(marks, width, height), wanted = hovered >= 0 ? lease[hovered] : chosen;
  if (wanted < 0) return;
  const top = scroller.scrollTop;
  ctx.beginPath(); ctx.rect(gutter, AXIS, width - gutter, height - AXIS); ctx.clip();
  ctx.strokeStyle = colours.ink; ctx.lineWidth = 2;
  for (const e of entriesOf(wanted)) {
    const g = entryGroup[e], host = hostOf(e), [y, h] = box(host, e, top), x0 = px(start[g]), x1 = px(end[g]);
    if (x1 < gutter || x0 > width || y + h < AXIS || y > height) continue;
    ctx.strokeRect(Math.max(x0, gutter - 3), y, Math.max(Math.min(x1, width + 3) - Math.max(x0, gutter - 3) - 1, 2), h);
  }
}
let byLease = null;
function entriesOf(wanted) {
  if (!byLease) {
    byLease = Array.from(L.id, () => []);
    for (let e = 0; e < total; e++) byLease[lease[entryGroup[e]]].push(e);
  }
  return byLease[wanted];
}

// ---- curves over time ----
function series(packed) {
  const value = changes(packed.value);
  return { at: changes(packed.at), value, most: value.reduce((a, b) => Math.max(a, b), 0) };
}
const U = series(D.utilisation), Q = series(D.queue);
// Each pixel shows the lowest and the highest value within it, and their mean over time as the line.
function chart(canvas, data, most, say) {
  const h = 110, ctx = prepare(canvas, width, h), floor = h - 6, y = (v) => floor - (floor - 8) * v / most;
  ctx.fillStyle = colours.line; ctx.fillRect(gutter, floor, width - gutter, 1); ctx.fillRect(gutter, y(most), width - gutter, 1);
  ctx.fillStyle = colours.soft; ctx.font = "11px " + FONT; ctx.textAlign = "right"; ctx.textBaseline = "middle";
  ctx.fillText(say(most), gutter - 8, y(most) + 3); ctx.fillText(say(0), gutter - 8, floor - 3);
  ctx.save(); ctx.beginPath(); ctx.rect(gutter, 0, width - gutter, h); ctx.clip();
  axis(ctx, floor, false);
  let i = 0, before = null;
  while (i + 1 < data.at.length && data.at[i + 1] <= from) i++;
  for (let x = gutter; x < width && data.at.length; x++) {
    const t0 = Math.max(at(x), data.at[0]), t1 = Math.min(at(x + 1), data.at[data.at.length - 1]);
    if (t1 < t0 || at(x + 1) < data.at[0]) continue;
    while (i + 1 < data.at.length && data.at[i + 1] <= t0) i++;
    let low = data.value[i], high = low, sum = 0, t = t0;
    for (let k = i; t < t1 && k < data.at.length; k++) {
      const next = k + 1 < data.at.length ? Math.min(data.at[k + 1], t1) : t1;
      sum += data.value[k] * Math.max(0, next - t); t = Math.max(t, next);
      low = Math.min(low, data.value[k]); high = Math.max(high, data.value[k]);
    }
    const mean = t1 > t0 ? sum / (t1 - t0) : high;
    ctx.fillStyle = LOOK.types["best-effort"];
    ctx.globalAlpha = .25; ctx.fillRect(x, y(high), 1, y(0) - y(high));
    ctx.globalAlpha = .55; ctx.fillRect(x, y(mean), 1, y(0) - y(mean));
    ctx.globalAlpha = 1;
    const middle = before === null ? mean : before;
    ctx.fillRect(x, Math.min(y(mean), y(middle)) - .8, 1, Math.abs(y(mean) - y(middle)) + 1.6);
    before = mean;
  }
  ctx.restore();
}
function valueAt(data, t) {
  let low = 0, high = data.at.length - 1;
  if (high < 0 || t < data.at[0]) return null;
  while (low < high) { const m = (low + high + 1) >> 1; if (data.at[m] <= t) low = m; else high = m - 1; }
  return data.value[low];
}

// ---- what lies under the pointer ----
function entryAt(x, y) {
  const top = scroller.scrollTop, host = Math.floor((y - AXIS + top) / rowHeight);
  if (x < gutter || y < AXIS || host < 0 || host >= HOSTS) return -1;
  const t = at(x), near = 2 * (to - from) / (width - gutter);
  let best = -1, distance = Infinity;
  for (let e = firstVisible(host); e < first[host + 1] && start[entryGroup[e]] <= t + near; e++) {
    const g = entryGroup[e];
    if (end[g] < t - near) continue;
    const [top0, h] = box(host, e, top);
    const dx = Math.max(start[g] - t, t - end[g], 0) / near, dy = Math.max(top0 - y, y - top0 - h, 0) / 4;
    if (dx + dy < distance && dy < 2) { distance = dx + dy; best = e; }
  }
  return best;
}
const SAID = { run: "runs", suspend: "is suspended", resume: "is resumed", shutdown: "shuts down", transfer: "gets its disk image", migrate: "is migrated" };
function describe(e) {
  const g = entryGroup[e], l = lease[g], outcome = outcomeOf(g), kind = kindOf(g), vms = vmsOf(e), lines = [];
  lines.push("Lease " + L.id[l] + " · " + typeOf(l) + (L.nodes[l] ? " · " + L.nodes[l] + (L.nodes[l] === 1 ? " VM" : " VMs") : "") + (D.leases.states[L.state[l]] ? " · " + D.leases.states[L.state[l]] : ""));
  lines.push((SAID[kind] || kind) + (outcome && outcome !== "done" ? " (" + outcome + ")" : "") + (kind === "transfer" || kind === "migrate" ? " to " : " on ") + D.hosts[hostOf(e)] + (vms ? ", VM " + vms : ""));
  lines.push(instant(start[g]) + " to " + instant(end[g]) + " (" + span(end[g] - start[g]) + ")");
  if (L.known[l]) lines.push("submitted " + instant(L.submitted[l]));
  return lines.join("\n");
}
function showTip(text, event) {
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const size = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - size.width - 8)) + "px";
  tip.style.top = (event.clientY + 18 + size.height > innerHeight ? event.clientY - size.height - 10 : event.clientY + 18) + "px";
}
function hover(event) {
  const place = gantt.getBoundingClientRect(), e = entryAt(event.clientX - place.left, event.clientY - place.top);
  const now = e < 0 ? -1 : entryGroup[e];
  if (now !== hovered) { hovered = now; drawMarks(); }
  showTip(e < 0 ? "" : describe(e), event);
}

// ---- pointer, wheel, keys, buttons ----
let drag = null;
gantt.addEventListener("pointerdown", (event) => {
  drag = { x: event.clientX, y: event.clientY, from, to, top: scroller.scrollTop };
  gantt.setPointerCapture(event.pointerId); gantt.classList.add("drag"); showTip("", event);
});
gantt.addEventListener("pointermove", (event) => {
  if (!drag) { hover(event); return; }
  const moved = (drag.x - event.clientX) * (drag.to - drag.from) / (width - gutter);
  look(drag.from + moved, drag.to + moved);
  if (event.pointerType === "mouse") scroller.scrollTop = drag.top + drag.y - event.clientY;
});
for (const name of ["pointerup", "pointercancel"]) {
  gantt.addEventListener(name, () => { drag = null; gantt.classList.remove("drag"); });
}
gantt.addEventListener("pointerleave", (event) => { hovered = -1; showTip("", event); drawMarks(); });
scroller.addEventListener("wheel", (event) => {
  if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
    pan((event.deltaX || event.deltaY) / 1500);
  } else if (event.ctrlKey || event.metaKey || document.activeElement === scroller) {
    zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 400))), at(event.clientX - gantt.getBoundingClientRect().left));
  } else {
    return;
  }
  event.preventDefault();
}, { passive: false });
scroller.addEventListener("scroll", redraw);
const ACTIONS = {
  in: () => zoom(.5), out: () => zoom(2), left: () => pan(-.25), right: () => pan(.25), all: () => look(0, END),
  taller: () => { rowHeight = Math.min(120, Math.ceil(rowHeight * 1.4)); redraw(); },
  shorter: () => { rowHeight = Math.max(3, Math.floor(rowHeight / 1.4)); redraw(); },
};
const KEYS = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all", "]": "taller", "[": "shorter" };
scroller.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { scroller.blur(); return; }
  const action = ACTIONS[KEYS[event.key]];
  if (action) { action(); event.preventDefault(); }
});
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", ACTIONS[button.dataset.do]);
function find(asked) {
  chosen = asked === "" ? -1 : L.id.indexOf(Number(asked));
  if (chosen < 0) { $("found").textContent = asked ? "No such lease is drawn." : ""; drawMarks(); return; }
  const found = entriesOf(chosen).map((e) => entryGroup[e]);
  const low = found.reduce((t, g) => Math.min(t, start[g]), Infinity), high = found.reduce((t, g) => Math.max(t, end[g]), 0);
  const host = hostOf(entriesOf(chosen)[0]), margin = (high - low) * .5 + 1;
  scroller.scrollTop = Math.max(0, host * rowHeight - height / 3);
  $("found").textContent = describe(entriesOf(chosen)[0]).replaceAll("\n", "; ");
  look(low - margin, high + margin);
}
$("find").addEventListener("input", () => find($("find").value.trim()));
for (const [id, data, say] of [["utilisation", U, (v) => v / 10 + " % used"], ["queue", Q, (v) => v + " waiting"]]) {
  $(id).addEventListener("pointermove", (event) => {
    const t = at(event.clientX - $(id).getBoundingClientRect().left), value = valueAt(data, t);
    showTip(value === null || t < from ? "" : say(value) + "\n" + instant(t), event);
  });
  $(id).addEventListener("pointerleave", (event) => showTip("", event));
}
const theme = $("theme"), system = matchMedia("(prefers-color-scheme: dark)");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement, now = root.dataset.theme || (system.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  colours = {}; redraw();
});
system.addEventListener("change", () => { colours = {}; redraw(); });
$("schedule").hidden = false;
new ResizeObserver(redraw).observe($("schedule"));
// A link may end in #dark, #light or #lease-17, or several of them with commas between.
const asked = location.hash.slice(1).split(",");
for (const word of asked) if (word === "dark" || word === "light") document.documentElement.dataset.theme = word;
draw();
for (const word of asked) {
  const found = /^lease-(\d+)$/.exec(word);
  if (found) { $("find").value = found[1]; find(found[1]); }
}
document.documentElement.dataset.drawn = String(total);
})();
