// Drag a box on the first frame. When the pointer is lifted, the server gets its corners [left, top, right, bottom] as
// fractions of the frame's width and height.
let start = null;
const position = event => {
  const frame = element.querySelector('img').getBoundingClientRect();
  const fraction = (pixel, origin, length) => Math.min(1, Math.max(0, (pixel - origin) / length));
  return [fraction(event.clientX, frame.left, frame.width), fraction(event.clientY, frame.top, frame.height)];
};
const corners = event => {
  const end = position(event);
  const smaller = [0, 1].map(axis => Math.min(start[axis], end[axis]));
  const larger = [0, 1].map(axis => Math.max(start[axis], end[axis]));
  return [...smaller, ...larger];
};
element.addEventListener('pointerdown', event => {
  if (!event.target.closest('.first')) return;
  event.preventDefault();  // else the browser selects text or drags the image
  element.setPointerCapture(event.pointerId);  // so that a drag may end outside the frame
  start = position(event);
});
element.addEventListener('pointermove', event => {
  if (!start) return;
  const box = element.querySelector('i'), [left, top, right, bottom] = corners(event).map(corner => 100 * corner);
  Object.assign(box.style, {left: left + '%', top: top + '%', width: right - left + '%', height: bottom - top + '%'});
  box.hidden = false;
});
element.addEventListener('pointerup', event => {
  if (!start) return;
  const index = corners(event);
  start = null;
  trigger('select', {index: index, value: null});
});
element.addEventListener('pointercancel', () => { start = null; });
