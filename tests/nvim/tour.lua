-- The adapter driven by nvim-dap in a headless Neovim, through the scenario
-- every client must pass: launch and attach, breakpoint, locals, step, command
-- line, pause, leave. DAP_WINDBG names the built debugger, TOUR the compiled
-- tests/dap/testdata/tour.c, TOUR_SOURCE its source; nvim-dap is in 'runtimepath'.
local binary, program, source = os.getenv('DAP_WINDBG'), os.getenv('TOUR'), os.getenv('TOUR_SOURCE')
local patience = 30000

local function say(text) io.stdout:write(text .. '\n') end

local function check(what, ok, got)
  if not ok then error(what .. ': ' .. vim.inspect(got), 2) end
  say('ok ' .. what)
end

local function wait_for(what, f)
  if not vim.wait(patience, f, 5) then error('waiting for ' .. what, 2) end
end

local dap = require('dap')
dap.adapters['dap-windbg'] = { type = 'executable', command = binary }

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
  dap.run({ type = 'dap-windbg', request = 'launch', name = 'launch', program = program, args = { 'spin' } })
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
  dap.terminate()
  gone()
  say('ok launch')
end

local function attach()
  fresh()
  -- A session of its own, as a shell makes process groups.
  local job = vim.fn.jobstart({ program, 'spin' }, { detach = true })
  local pid = vim.fn.jobpid(job)
  local ok, err = pcall(function()
    wait_for('the program', function() return vim.fn.filereadable('/proc/' .. pid .. '/status') == 1 end)
    breakpoint('ticking')
    dap.run({ type = 'dap-windbg', request = 'attach', name = 'attach', processId = pid })
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
  say('ok attach')
end

local function ends()
  fresh()
  dap.run({ type = 'dap-windbg', request = 'launch', name = 'ends', program = program })
  wait_for('the end', function() return terminated end)
  check('the exit code', exited == 7, exited)
  gone()
  say('ok a program that ends')
end

local ok, err = xpcall(function()
  vim.o.swapfile = false
  launch()
  attach()
  ends()
end, debug.traceback)
if ok then
  vim.cmd('qall!')
else
  say(tostring(err))
  say('output: ' .. output)
  vim.cmd('cquit 1')
end
