// Dragging a box on the first frame: its corners, as shares of the frame's sides, are told when the pointer is lifted.
let from = null;
const at = event => {
  const edge = element.querySelector('img').getBoundingClientRect();
  const share = (place, start, side) => Math.min(1, Math.max(0, (place - start) / side));
  return [share(event.clientX, edge.left, edge.width), share(event.clientY, edge.top, edge.height)];
};
const corners = event => {
  const to = at(event);
  return [0, 1].map(axis => Math.min(from[axis], to[axis])).concat([0, 1].map(axis => Math.max(from[axis], to[axis])));
};
element.addEventListener('pointerdown', event => {
  if (!event.target.closest('.first')) return;
  event.preventDefault();
  element.setPointerCapture(event.pointerId);
  from = at(event);
});
element.addEventListener('pointermove', event => {
  if (!from) return;
  const box = element.querySelector('i'), [left, top, right, bottom] = corners(event).map(one => 100 * one);
  Object.assign(box.style, {left: left + '%', top: top + '%', width: right - left + '%', height: bottom - top + '%'});
  box.hidden = false;
});
element.addEventListener('pointerup', event => {
  if (!from) return;
  const index = corners(event);
  from = null;
  trigger('select', {index: index, value: null});
});
element.addEventListener('pointercancel', () => { from = null; });
