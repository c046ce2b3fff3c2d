/* What every page has: elements made of text alone, copying, links that open what they point at. */

const root = document.documentElement;
root.classList.add('script');
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') made.className = value;
    else if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// -- copying

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // where a page from a file may not: the old way
    const area = make('textarea', {style: 'position:fixed;top:0;opacity:0'});
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}
document.addEventListener('click', async (event) => {
  const button = event.target.closest('button.copy');
  if (!button) return;
  await copied($('code', button.parentElement).textContent);
  button.classList.add('done');
  setTimeout(() => button.classList.remove('done'), 1600);
});

// -- links to what is folded

function unfold() {
  let target = null;
  try { target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
  for (let at = target; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
  if (target) target.scrollIntoView();
}
addEventListener('hashchange', unfold);
unfold();
