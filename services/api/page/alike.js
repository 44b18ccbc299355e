// @ts-check
/** Which characters of a plate differ from the one that was looked for. */

const GROUPS = ["OQD0", "IL1", "B8", "S5", "Z2", "G6"];

/** @param {string} plate */
export const plain = (plate) => plate.toUpperCase().replace(/[\s\-._/·•]/g, "");

/** @param {string} one @param {string} other */
function cost(one, other) {
  if (one === other) return 0;
  return GROUPS.some((group) => group.includes(one) && group.includes(other)) ? 0.1 : 1;
}

/**
 * The plate in pieces, in order: characters that are the wanted ones, and ones that are not.
 * A wanted plate with wildcards marks nothing: a character that `*` stands for is not wrong.
 * @param {string} plate @param {string} wanted @returns {{text: string, differs: boolean}[]}
 */
export function marked(plate, wanted) {
  const goal = plain(wanted);
  if (!goal || /[*?]/.test(goal)) return plate ? [{ text: plate, differs: false }] : [];
  const shown = [...plate];
  const letters = shown.map((each) => plain(each));
  const differs = wrong(letters.filter(Boolean), [...goal]);
  /** @type {{text: string, differs: boolean}[]} */
  const pieces = [];
  let at = 0;
  for (const [place, each] of shown.entries()) {
    const is = letters[place] ? differs[at++] : false;
    const last = pieces[pieces.length - 1];
    if (last && last.differs === is) last.text += each;
    else pieces.push({ text: each, differs: is });
  }
  return pieces;
}

/** Edit distance with the way back: whether each letter is not a wanted one.
 * @param {string[]} letters @param {string[]} goal @returns {boolean[]} */
function wrong(letters, goal) {
  const table = letters.map(() => new Array(goal.length + 1).fill(0));
  table.push(new Array(goal.length + 1).fill(0));
  for (let i = letters.length; i >= 0; i -= 1) {
    for (let j = goal.length; j >= 0; j -= 1) {
      if (i === letters.length || j === goal.length) table[i][j] = letters.length - i + (goal.length - j);
      else {
        const change = table[i + 1][j + 1] + cost(letters[i], goal[j]);
        table[i][j] = Math.min(change, table[i + 1][j] + 1, table[i][j + 1] + 1);
      }
    }
  }
  const found = letters.map(() => true);
  let [i, j] = [0, 0];
  while (i < letters.length && j < goal.length) {
    const step = cost(letters[i], goal[j]);
    if (table[i][j] === table[i + 1][j + 1] + step) {
      found[i] = step > 0;
      i += 1;
      j += 1;
    } else if (table[i][j] === table[i + 1][j] + 1) i += 1;
    else j += 1;
  }
  return found;
}
