-- The adapter driven by nvim-dap in a headless Neovim with the configuration of
-- docs/neovim.md, through the scenario every client must pass: breakpoint, locals,
-- step, command line, pause, leave; and each of the page's configurations by its name.
-- `dap-windbg` is the first in PATH; TOUR is the compiled tests/dap/testdata/tour.c,
-- TOUR_SOURCE its source, GDBSERVER, SERVER and MACHINE are connection strings of a
-- gdbserver over the tour, of a process server and of a machine, PAGE is the page and
-- nvim-dap is in 'runtimepath'.
local program, source = os.getenv('TOUR'), os.getenv('TOUR_SOURCE')
local patience = 30000

local function say(text) io.stdout:write(text .. '\n') end

local function check(what, ok, got)
  if not ok then error(what .. ': ' .. vim.inspect(got), 2) end
  say('ok ' .. what)
end

local function wait_for(what, f)
  if not vim.wait(patience, f, 5) then error('waiting for ' .. what, 2) end
end

-- The page's configuration, as a person would copy it.
local page = table.concat(vim.fn.readfile(os.getenv('PAGE')), '\n')
local block = page:match('```lua\n(.-)\n```')
assert(loadstring(block, 'the configuration of the page'))()

local dap = require('dap')

-- run takes a configuration of the page by its name; answers are those to its questions,
-- by the beginning of the prompt; a pid is what is picked. more is put into it.
local function run(name, answers, more)
  vim.fn.input = function(o)
    local prompt = type(o) == 'table' and o.prompt or o
    for start, answer in pairs(answers) do
      if vim.startswith(prompt, start) then return answer end
    end
    error('asked for ' .. prompt)
  end
  vim.ui.select = function(list, o, choose)
    for _, x in ipairs(list) do
      if x.pid == answers.pid then
        check('the picker shows', o.format_item(x):find(tostring(x.pid), 1, true) and o.format_item(x):find('tour', 1, true), o.format_item(x))
        return choose(x)
      end
    end
    choose(nil)
  end
  for _, c in ipairs(dap.configurations.c) do
    if c.name == name then
      for k, v in pairs(more or {}) do c[k] = v end
      return dap.run(c)
    end
  end
  error('the page has no configuration ' .. name)
end

-- What happened, in order, as a user's listeners see it.
local stops, output, terminated, exited = {}, '', false, nil
dap.listeners.after.event_stopped['tour'] = function(_, body) table.insert(stops, body) end
dap.listeners.after.event_output['tour'] = function(_, body) output = output .. body.output end
dap.listeners.before.event_terminated['tour'] = function() terminated = true end
dap.listeners.before.event_exited['tour'] = function(_, body) exited = body.exitCode end

local function line(word)
  local n = 0
  for l in io.lines(source) do
    n = n + 1
    if l:find('/* ' .. word .. ' */', 1, true) then return n end
  end
  error('no line ' .. word)
end

local function request(command, arguments)
  local err, body, done
  dap.session():request(command, arguments, function(e, b) err, body, done = e, b, true end)
  wait_for(command, function() return done end)
  if err then error(command .. ': ' .. vim.inspect(err), 2) end
  return body
end

-- command types a line into the debug console; a slow one answers by output events.
local function command(line)
  local before = #output
  local result = request('evaluate', { expression = line, context = 'repl' }).result
  return result ~= '' and result or output:sub(before + 1)
end

-- go resumes; the frame shown is forgotten, so that a new one can be told from it.
local function go(how)
  dap.session().current_frame = nil
  how()
end

-- stopped waits for stop number n, and until nvim-dap shows it.
local function stopped(n, reason)
  wait_for('stop ' .. n, function()
    local s = dap.session()
    return #stops >= n and s and s.current_frame ~= nil and s.stopped_thread_id ~= nil
  end)
  check('stop ' .. n .. ' is ' .. reason, stops[n].reason == reason, stops[n])
  -- nvim-dap asks for scopes and variables by itself
  wait_for('the scopes of stop ' .. n, function()
    local f = dap.session().current_frame
    return f and f.scopes and #f.scopes > 0
  end)
end

local function locals()
  for _, scope in ipairs(dap.session().current_frame.scopes) do
    if scope.name == 'Locals' then
      local by_name = {}
      for _, v in ipairs(request('variables', { variablesReference = scope.variablesReference }).variables) do by_name[v.name] = v.value end
      return by_name
    end
  end
end

local function breakpoint(word)
  vim.cmd('edit ' .. source)
  vim.api.nvim_win_set_cursor(0, { line(word), 0 })
  dap.toggle_breakpoint()
end

local function fresh()
  stops, output, terminated, exited = {}, '', false, nil
  dap.clear_breakpoints()
end

local function gone()
  wait_for('the end of the session', function() return dap.session() == nil end)
end

local function launch()
  fresh()
  breakpoint('in twice')
  run('Launch', { Program = program, Arguments = 'spin' })
  stopped(1, 'breakpoint')
  local frame = dap.session().current_frame
  check('the frame', frame.line == line('in twice') and frame.source.path == source, frame)
  check('a local', locals().n == '0', locals())
  check('the cursor', vim.api.nvim_win_get_cursor(0)[1] == line('in twice'), vim.api.nvim_win_get_cursor(0))

  go(dap.step_over)
  stopped(2, 'step')
  check('the line after a step', dap.session().current_frame.line == line('in twice') + 1, dap.session().current_frame)
  go(dap.step_out)
  stopped(3, 'step')
  check('the caller', dap.session().current_frame.name == 'main', dap.session().current_frame)
  local k = command('k')
  check('k', k:find('tour!main', 1, true), k)
  local hover = request('evaluate', { expression = 's.corner[1].y', context = 'hover', frameId = dap.session().current_frame.id }).result
  check('a hover', hover == '4', hover)

  dap.clear_breakpoints()
  go(dap.continue)
  wait_for('output', function() return output:find('total 90', 1, true) end)
  dap.pause()
  stopped(4, 'pause')
  local shown = dap.session().current_frame -- somewhere below spin, whose source is here
  check('what a pause shows', shown.source and shown.source.path == source, shown)
  dap.terminate()
  gone()
  say('ok launch')
end

local function attach(name, answers)
  fresh()
  -- A session of its own, as a shell makes process groups.
  local job = vim.fn.jobstart({ program, 'spin' }, { detach = true })
  local pid = vim.fn.jobpid(job)
  local ok, err = pcall(function()
    wait_for('the program', function() return vim.fn.filereadable('/proc/' .. pid .. '/status') == 1 end)
    breakpoint('ticking')
    run(name, vim.tbl_extend('force', answers, { pid = pid }))
    stopped(1, 'breakpoint')
    check('the frame', dap.session().current_frame.name == 'tick', dap.session().current_frame)
    go(dap.step_over)
    stopped(2, 'step')
    local k = command('k')
    check('k', k:find('tour!spin', 1, true), k)
    dap.clear_breakpoints()
    go(dap.continue)
    dap.pause()
    stopped(3, 'pause')
    dap.disconnect({ terminateDebuggee = false })
    gone()
    wait_for('the program to run on', function()
      local text = table.concat(vim.fn.readfile('/proc/' .. pid .. '/status'), '\n')
      return text:find('TracerPid:\t0', 1, true) and (text:find('State:\tS', 1, true) or text:find('State:\tR', 1, true))
    end)
  end)
  vim.fn.jobstop(job)
  if not ok then error(err, 0) end
  say('ok ' .. name)
end

local function ends()
  fresh()
  run('Launch', { Program = program, Arguments = '' })
  wait_for('the end', function() return terminated end)
  check('the exit code', exited == 7, exited)
  gone()
  say('ok a program that ends')
end

-- nothing is asked for and nothing happens when a question is not answered.
local function given_up()
  fresh()
  run('Attach', { pid = -1 })
  run('gdbserver', { Connection = '' })
  vim.wait(200, function() return dap.session() ~= nil end)
  check('an unanswered question', dap.session() == nil, dap.session())
end

local function gdbserver()
  fresh()
  breakpoint('print')
  run('gdbserver', { Connection = os.getenv('GDBSERVER') })
  wait_for('the breakpoint', function()
    local s = dap.session()
    if s and s.current_frame and s.current_frame.line ~= line('print') and s.stopped_thread_id then go(dap.continue) end -- its first stop
    return s and s.current_frame and s.current_frame.line == line('print') and s.current_frame.scopes
  end)
  check('a local over gdbserver', (locals() or {}).total == '90', locals())
  local core = vim.fn.tempname()
  command('.dump ' .. core)
  dap.terminate()
  gone()
  say('ok gdbserver')

  fresh()
  run('Core file', { ['Core file'] = core })
  stopped(1, 'entry')
  check('the core', dap.session().current_frame.line == line('print') and locals().total == '90', dap.session().current_frame)
  dap.disconnect()
  gone()
  vim.fn.delete(core)
  say('ok core')
end

local function machine()
  fresh()
  run('Machine or kernel in QEMU', { Connection = os.getenv('MACHINE') })
  wait_for('the machine', function() return #stops == 1 and dap.session().current_frame ~= nil end)
  local r = command('r')
  check('registers of the machine', r:find('eip=', 1, true), r)
  go(function() dap.step_into({ steppingGranularity = 'instruction' }) end)
  wait_for('its next instruction', function() return #stops == 2 end)
  dap.disconnect()
  gone()
  say('ok machine')
end

-- rush: steps are sent before the answers about the stop before; each ends at its line.
local function rush()
  fresh()
  breakpoint('start')
  run('Launch', { Program = program, Arguments = 'spin' })
  stopped(1, 'breakpoint')
  dap.clear_breakpoints()
  breakpoint('bottom')
  dap.continue()
  wait_for('the bottom', function() return #stops == 2 end)
  for n = 3, 8 do -- out of six calls of deep, without waiting for scopes and variables
    local s = dap.session()
    wait_for('a thread', function() return s.stopped_thread_id ~= nil end)
    local frame = s.current_frame
    if frame then
      s:request('scopes', { frameId = frame.id }, function() end)
      s:request('variables', { variablesReference = frame.id + 1 }, function() end)
    end
    dap.step_out()
    wait_for('step ' .. n, function() return #stops == n end)
    check('a step out in a rush', stops[n].reason == 'step', stops[n])
  end
  local late
  dap.session():request('stackTrace', { threadId = dap.session().stopped_thread_id or stops[8].threadId }, function(_, body) late = body end)
  wait_for('the stack', function() return late end)
  check('where six steps out of the bottom lead', late.stackFrames[1].name == 'deep' and late.stackFrames[1].line == line('bottom') + 1, late.stackFrames[1])
  local outer = #late.stackFrames
  -- Asked about the last stop while it runs: answered or refused, at once.
  local answers = 0
  dap.clear_breakpoints()
  dap.continue()
  for _, frame in ipairs(late.stackFrames) do
    dap.session():request('scopes', { frameId = frame.id }, function() answers = answers + 1 end)
  end
  wait_for('answers while it runs', function() return answers == outer end)
  dap.terminate()
  gone()
  say('ok rush')
end

local ok, err = xpcall(function()
  vim.o.swapfile = false
  launch()
  attach('Attach', {})
  attach('Attach on a process server', { ['Process server'] = os.getenv('SERVER') })
  ends()
  given_up()
  gdbserver()
  machine()
  rush()
end, debug.traceback)
if ok then
  vim.cmd('qall!')
else
  say(tostring(err))
  say('output: ' .. output)
  vim.cmd('cquit 1')
end
