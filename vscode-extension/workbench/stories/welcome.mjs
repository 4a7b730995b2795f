// The walkthrough of a new user.
export default {
    name: 'welcome',
    checks: {
        async 'the walkthrough opens and its steps are there'(w) {
            await w.command('workbench.action.openWalkthrough');
            const page = w.page.locator('.gettingStartedContainer');
            await page.locator('.getting-started-category', { hasText: 'Start with dap-windbg' }).filter({ visible: true }).first().click();
            for (const step of ['See what this machine can debug', 'Start a program', 'Type WinDbg commands', 'Debug what runs elsewhere'])
                await page.locator('.step-title', { hasText: step }).waitFor();
            await w.picture('walkthrough');
        },

        async 'its first step tells what this machine can debug'(w) {
            await w.page.locator('.gettingStartedContainer').getByText('Tell what is missing', { exact: true }).click();
            await w.page.locator('.part.panel .view-line', { hasText: 'gdbserver' }).first().waitFor();
        },
    },
};
