// What a person does and sees in the workbench. Every wait is for something on the screen; trees and
// the Debug Console are virtual lists, of which only the rows on the screen exist.
import { patience, until } from './until.mjs';

// Commands that the checks give have keys of their own, as a user may give them: no
// wording of a menu or palette is relied on.
const keyed = [
    'workbench.debug.action.toggleRepl', 'workbench.debug.panel.action.clearReplAction',
    'workbench.debug.viewlet.action.removeAllBreakpoints', 'notifications.clearAll', 'workbench.action.openWalkthrough',
    'workbench.view.debug',
];
const letters = 'abcdefghijklmnopqrstuvwxyz';

/** The keybindings.json of a profile in which `also` are keyed, too. */
export function chords(also = []) {
    return [...keyed, ...also].map((command, i) => ({ key: `ctrl+alt+shift+${letters[i]}`, command }));
}

const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

export class Workbench {
    constructor(page, keys) {
        this.page = page;
        this.keys = Object.fromEntries(keys.map(({ key, command }) => [command, key]));
        page.setDefaultTimeout(patience);
    }

    async open(url) {
        await this.page.goto(url);
        await this.page.locator('.monaco-workbench').waitFor();
        await this.page.locator('.explorer-folders-view .monaco-list-row').first().waitFor();
    }

    async press(...keys) {
        for (const key of keys)
            await this.page.keyboard.press(key);
    }

    async type(text) {
        await this.page.keyboard.type(text);
    }

    async command(name) {
        const letter = this.keys[name].at(-1).toUpperCase();
        await this.press(`Control+Alt+Shift+Key${letter}`);
    }

    // ---- editors

    editor(file) {
        return this.page.locator(`.editor-instance .monaco-editor[data-uri$="/${file}"]`);
    }

    /** Opens a file from the explorer, or goes to its tab. */
    async openFile(file) {
        const tab = this.page.locator(`.tab[role=tab][aria-label^="${file}"]`);
        if (await tab.count() > 0)
            await tab.click();
        else
            await this.page.locator(`.explorer-folders-view .monaco-list-row[aria-label^="${file}"]`).dblclick();
        await this.editor(file).waitFor();
    }

    /** Brings a line of an open file to the middle of the editor and gives where its number is drawn. */
    async reveal(file, line) {
        await this.openFile(file);
        await this.press('Control+KeyG');
        const input = this.page.locator('.quick-input-widget .quick-input-box input');
        await input.waitFor();
        await input.fill(`:${line}`);
        await this.press('Enter');
        await input.waitFor({ state: 'hidden' });
        return this.numberBox(file, line);
    }

    async numberBox(file, line) {
        const number = this.editor(file).locator('.line-numbers', { hasText: new RegExp(`^${line}$`) });
        await number.waitFor();
        return number.boundingBox();
    }

    /** Points at the margin beside a line until it shows that a click there sets a breakpoint, and gives where that is. */
    async margin(file, line) {
        await this.reveal(file, line);
        return until(`the margin beside line ${line} takes a breakpoint`, async () => {
            const number = await this.numberBox(file, line);
            const margin = await this.editor(file).locator('.margin').boundingBox();
            const place = [margin.x + 9, number.y + number.height / 2];
            await this.page.mouse.move(place[0] + 20 * Math.random(), place[1]);
            await this.page.mouse.move(...place);
            const hint = await this.editor(file).locator('.codicon-debug-hint').first().boundingBox({ timeout: 500 }).catch(() => null);
            return hint && Math.abs(hint.y - number.y) < 4 && place;
        });
    }

    async toggleBreakpoint(file, line) {
        await this.page.mouse.click(...await this.margin(file, line));
        await this.hasGlyph(file, line, 'debug-breakpoint');
    }

    async hasGlyph(file, line, icon) {
        let glyph;
        await until(`${icon} beside line ${line}`, async () => (glyph = await this.glyph(file, line)) === icon)
            .catch((e) => { throw new Error(`${e.message}; there is "${glyph}"`); });
    }

    /** Adds a breakpoint with a condition or a message through the margin's menu. */
    async addBreakpoint(file, line, entry, text) {
        await this.page.mouse.click(...await this.margin(file, line), { button: 'right' });
        await this.choose(entry);
        await this.page.locator('.breakpoint-widget .inputContainer .monaco-editor.focused').waitFor();
        await this.type(text);
        await this.press('Enter');
        await this.page.locator('.breakpoint-widget').waitFor({ state: 'detached' });
    }

    /** The symbol in the margin beside a line that is on the screen: its icon's name, or nothing. */
    async glyph(file, line) {
        const number = await this.numberBox(file, line);
        for (const symbol of await this.editor(file).locator('.glyph-margin-widgets .cgmr').all()) {
            const box = await symbol.boundingBox();
            if (box && Math.abs(box.y - number.y) < number.height / 2)
                return (await symbol.getAttribute('class')).match(/codicon-(debug-\S+)/)?.[1] ?? '';
        }
        return '';
    }

    /** The number of the line that is drawn as the one where the program stands. */
    async stoppedLine(file) {
        const editor = this.editor(file);
        const mark = await editor.locator('.debug-top-stack-frame-line').first().boundingBox({ timeout: 1000 }).catch(() => null);
        if (!mark)
            return 0;
        for (const number of await editor.locator('.line-numbers').all()) {
            const box = await number.boundingBox();
            if (box && Math.abs(box.y - mark.y) < 4)
                return Number(await number.textContent());
        }
        return 0;
    }

    async stopsAt(file, line) {
        let at;
        await until(`the program stands at ${file}:${line}`, async () => (at = await this.stoppedLine(file)) === line)
            .catch((e) => { throw new Error(`${e.message}; it stands at ${at}`); });
    }

    /** Points at a word in a line and gives what the box says that opens. */
    async hover(file, line, word) {
        const box = await this.wordBox(file, line, word);
        const shown = this.page.locator('.debug-hover-widget');
        return until(`a hover over ${word}`, async () => {
            await this.page.mouse.move(box.x + box.width / 2 + Math.random(), box.y + box.height / 2);
            await shown.waitFor({ timeout: 3000 }).catch(() => {});
            return await shown.count() > 0 && (await shown.innerText()).trim();
        });
    }

    /** Where a word of a line is drawn. The line must be on the screen. */
    async wordBox(file, line, word) {
        const number = await this.numberBox(file, line);
        const box = await this.editor(file).evaluate((editor, { top, word }) => {
            const near = [...editor.querySelectorAll('.view-line')].find((l) => Math.abs(l.getBoundingClientRect().top - top) < 4);
            const walker = near && document.createTreeWalker(near, NodeFilter.SHOW_TEXT);
            while (walker?.nextNode()) {
                const found = walker.currentNode.data.match(new RegExp(`\\b${word}\\b`));
                if (!found)
                    continue;
                const range = document.createRange();
                range.setStart(walker.currentNode, found.index);
                range.setEnd(walker.currentNode, found.index + word.length);
                const { x, y, width, height } = range.getBoundingClientRect();
                return { x, y, width, height };
            }
            return null;
        }, { top: number.y, word });
        if (!box)
            throw new Error(`no ${word} on line ${line}`);
        return box;
    }

    // ---- the views of the side bar

    /** A section of the side bar, opened. */
    async section(name) {
        const pane = this.page.locator('.pane', { has: this.page.locator(`> .pane-header[aria-label="${name} Section"]`) });
        const header = pane.locator('> .pane-header');
        await header.waitFor();
        if (await header.getAttribute('aria-expanded') === 'false')
            await header.click();
        return pane;
    }

    async close(name) {
        await (await this.section(name)).locator('> .pane-header').click();
    }

    /** The first row of a section whose label begins as told, or matches a pattern. Scrolls as long as it is not to be seen. */
    async row(section, text) {
        const pane = await this.section(section);
        const wanted = text instanceof RegExp ? text : new RegExp(`^${literal(text)}`);
        let labels = [];
        let by = 60;
        let same = 0; // scrolling takes a moment: only rows that stay the same are the last ones
        const found = await until(`${section} has a row ${wanted}`, async () => {
            const rows = pane.locator('.monaco-list-row');
            const before = labels.join();
            const seen = await rows.evaluateAll((all) => all.map((r) => ({ id: r.id, label: r.getAttribute('aria-label') ?? r.textContent })));
            labels = seen.map((r) => r.label);
            const hit = seen.find((r) => wanted.test(r.label));
            if (hit)
                return hit;
            same = labels.join() === before ? same + 1 : 0;
            if (same === 5)
                [by, same] = [-by, 0];
            await this.scroll(pane, by);
            return undefined;
        }).catch((e) => { throw new Error(`${e.message}; it has ${JSON.stringify(labels)}`); });
        return { label: found.label, row: pane.locator(`.monaco-list-row[id="${found.id}"]`) };
    }

    async scroll(pane, by) {
        const box = await pane.locator('> .pane-body').boundingBox();
        if (!box)
            return;
        await this.page.mouse.move(box.x + 3, box.y + box.height / 2); // beside the rows: over them boxes come up and take the wheel
        await this.page.mouse.wheel(0, by);
    }

    async expand(section, text) {
        const { row } = await this.row(section, text);
        if (await row.getAttribute('aria-expanded') !== 'true')
            await row.locator('.monaco-tl-twistie').click();
    }

    async collapse(section, text) {
        const { row } = await this.row(section, text);
        if (await row.getAttribute('aria-expanded') === 'true')
            await row.locator('.monaco-tl-twistie').click();
    }

    /** Opens the menu of a row and takes an entry. */
    async rowMenu(section, text, entry) {
        const { row } = await this.row(section, text);
        await row.click({ button: 'right' });
        await this.choose(entry);
    }

    /** Takes an entry of the menu that is open. A menu ignores the mouse for a moment after it opened, not the keys. */
    async choose(entry) {
        const item = this.page.locator('.monaco-menu .action-item', { has: this.page.locator('.action-menu-item', { hasText: entry }) }).first();
        await item.hover();
        await this.page.locator('.monaco-menu .action-item.focused', { hasText: entry }).waitFor();
        await this.press('Enter');
        await item.waitFor({ state: 'detached' });
    }

    async watch(expression) {
        const pane = await this.section('Watch');
        await pane.locator('> .pane-header').hover();
        await pane.locator('> .pane-header .codicon-watch-expressions-add').click();
        const input = pane.locator('.monaco-inputbox input');
        await input.fill(expression);
        await input.press('Enter');
    }

    async setValue(name, value) {
        const { row } = await this.row('Variables', `${name}, value`);
        await row.locator('.value').dblclick();
        const input = (await this.section('Variables')).locator('.monaco-inputbox input');
        await input.fill(value);
        await input.press('Enter');
    }

    // ---- disassembly and memory

    /** The rows of the Disassembly view once they are as `wanted` says: what is written and whether the program stands there. */
    async disassembly(wanted) {
        const view = this.page.locator('.disassembly-view');
        await view.waitFor();
        let rows = [];
        return until('the Disassembly view', async () => {
            rows = await view.locator('.monaco-list-row').evaluateAll((all) => all.map((r) => ({
                text: r.innerText, current: r.querySelector('.codicon-debug-stackframe, .codicon-debug-stackframe-focused') !== null,
            })));
            return wanted(rows) && rows;
        }).catch((e) => { throw new Error(`${e.message}; it has ${JSON.stringify(rows)}`); });
    }

    /** Opens the bytes of a variable in the hex editor, by the sign that comes up when its row is pointed at. */
    async viewMemory(text) {
        const { row } = await this.row('Variables', text);
        await row.hover();
        await row.locator('.codicon-variable-view-memory, .codicon-debug-inspect, [aria-label*="Binary Data"]').first().click();
        await this.bytes.first().waitFor();
    }

    get bytes() {
        return this.page.frameLocator('iframe.webview.ready').frameLocator('iframe#active-frame').locator('input.byte');
    }

    async memory() {
        return this.bytes.evaluateAll((all) => all.map((cell) => cell.value));
    }

    async setByte(offset, value) {
        await this.bytes.nth(offset).fill(value);
        await this.bytes.nth(offset).press('Enter');
    }

    // ---- the Debug Console

    get console() {
        return this.page.locator('.repl');
    }

    async focusConsole() {
        if (!await this.console.isVisible())
            await this.command('workbench.debug.action.toggleRepl');
        await this.console.waitFor();
        await this.console.locator('.repl-input-wrapper').click();
        await this.press('Control+KeyA', 'Delete'); // what was typed and not sent
    }

    /** Shows what one of several sessions says. */
    async consoleOf(session) {
        await this.page.getByRole('toolbar', { name: 'Debug Console actions' }).getByLabel('Debug Session').selectOption({ label: session });
    }

    async clearConsole() {
        await this.focusConsole();
        await this.command('workbench.debug.panel.action.clearReplAction');
        await until('the Debug Console is empty', async () => await this.console.locator('.monaco-list-row').count() === 0);
    }

    async say(line) {
        await this.clearConsole();
        await this.focusConsole();
        await this.type(line);
        await this.press('Enter');
    }

    /** Waits until the Debug Console has a row that matches, and gives its text. */
    async said(pattern) {
        let texts = [];
        return until(`the Debug Console says ${pattern}`, async () => {
            texts = await this.console.locator('.monaco-list-row').evaluateAll((all) => all.map((r) => r.getAttribute('aria-label') ?? r.textContent));
            return texts.find((text) => pattern.test(text));
        }).catch((e) => { throw new Error(`${e.message}; it says ${JSON.stringify(texts)}`); });
    }

    /** What the list of suggestions offers. */
    async suggestions() {
        const rows = this.page.locator('.suggest-widget.visible .monaco-list-row');
        await rows.first().waitFor();
        return rows.evaluateAll((all) => all.map((r) => r.getAttribute('aria-label')));
    }

    // ---- sessions

    tool(icon) {
        return this.page.locator(`.debug-toolbar a.codicon-debug-${icon}, .part.titlebar .debug-toolbar a.codicon-debug-${icon}`);
    }

    get running() {
        return this.page.locator('.debug-toolbar a.codicon-debug-stop, .debug-toolbar a.codicon-debug-disconnect').first();
    }

    /** Starts the only configuration of launch.json, once the Run view has read it. */
    async start(name) {
        await this.command('workbench.view.debug');
        await this.page.locator('.start-debug-action-item', { hasText: name }).waitFor();
        await this.press('F5');
    }

    /** Takes the row of the quick pick that has this text. */
    async pick(text) {
        await this.picks.filter({ hasText: text }).first().click();
    }

    get picks() {
        return this.page.locator('.quick-input-list .monaco-list-row');
    }

    /** Writes into the quick input, where `about` is its title or what it asks for. */
    async answerInput(about, text) {
        const box = this.page.locator('.quick-input-widget', { hasText: about });
        await box.locator('.quick-input-box input').fill(text);
    }

    async ended() {
        await until('the session ends', async () => !await this.running.isVisible());
    }

    async stop() {
        if (await this.running.isVisible())
            await this.press('Shift+F5');
        await this.ended();
    }

    notification(text) {
        return this.page.locator('.notification-toast', { hasText: text }).first();
    }

    /** What the message with this text has for buttons. */
    async buttons(text) {
        const message = this.notification(text);
        await message.waitFor();
        return message.locator('a.monaco-button').allInnerTexts();
    }

    async answer(text, button) {
        await this.notification(text).locator('a.monaco-button', { hasText: button }).click();
    }

    /** Keeps what is on the screen for the documents, when pictures are asked for. */
    async picture(name, clip) {
        if (!this.pictures)
            return;
        await this.page.mouse.move(640, 1); // boxes that the mouse called up go away
        await until('no box is up', async () => await this.page.locator('.workbench-hover-container:visible').count() === 0);
        await this.page.screenshot({ path: `${this.pictures}/${name}.png`, clip, animations: 'disabled', caret: 'hide' });
    }
}
