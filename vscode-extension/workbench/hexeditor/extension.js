// A hex editor in the place of ms-vscode.hexeditor, which no package registry has. VS Code offers
// to view a variable's memory only when an extension of that name is installed, and opens
// memory as a file of the scheme vscode-debug-memory in the editor hexEditor.hexedit. Such a
// file is read and written in pieces, named by `range=FROM:TO` in the query.
const vscode = require('vscode');

const shown = 64; // bytes

const piece = (uri, from, to) => uri.with({ query: `?range=${from}:${to}` });

const hex = (byte) => byte.toString(16).padStart(2, '0');

function page(bytes) {
    const cells = [...bytes].map((b, i) => `<input class="byte" data-offset="${i}" aria-label="byte ${i}" maxlength="2" value="${hex(b)}">`);
    const rows = [];
    for (let i = 0; i < cells.length; i += 16) {
        const text = [...bytes.slice(i, i + 16)].map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : '.')).join('');
        rows.push(`<div><span>${i.toString(16).padStart(8, '0')}</span> ${cells.slice(i, i + 16).join('')} <span class="text">${text.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</span></div>`);
    }
    return `<!DOCTYPE html><html><head><style>
body { font: 13px monospace; color: var(--vscode-editor-foreground); white-space: pre; }
.byte { width: 2ch; border: 0; padding: 0 2px; font: inherit; color: inherit; background: transparent; }
.byte:focus { outline: 1px solid var(--vscode-focusBorder); }
</style></head><body>${rows.join('')}<script>
const host = acquireVsCodeApi();
for (const cell of document.querySelectorAll('.byte'))
    cell.addEventListener('change', () => host.postMessage({ offset: Number(cell.dataset.offset), value: parseInt(cell.value, 16) }));
</script></body></html>`;
}

class Editor {
    openCustomDocument(uri) {
        return { uri, dispose() {} };
    }

    async resolveCustomEditor(document, panel) {
        const files = vscode.workspace.fs;
        const show = async () => {
            panel.webview.html = page(await files.readFile(piece(document.uri, 0, shown)));
        };
        panel.webview.options = { enableScripts: true };
        panel.webview.onDidReceiveMessage(async ({ offset, value }) => {
            await files.writeFile(piece(document.uri, offset, offset + 1), Uint8Array.of(value));
            await show();
        });
        const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(vscode.Uri.joinPath(document.uri, '..'), '*'));
        watcher.onDidChange(show);
        panel.onDidDispose(() => watcher.dispose());
        await show();
    }
}

exports.activate = (context) => {
    context.subscriptions.push(vscode.window.registerCustomEditorProvider('hexEditor.hexedit', new Editor()));
};
