-- Load for wrk: `wrk … -s load.lua URL -- CASE`, where CASE is a file that returns a table; benchmarks/load.py writes it.
-- wrk runs it with one thread. What came of it is written by `done`.

local ffi = require("ffi")
ffi.cdef([[
  struct moment { long seconds, nanoseconds; };
  int clock_gettime(int clock, struct moment *now);
  int getpid(void);
  int kill(int process, int signal);
]])
local MONOTONIC, INTERRUPT = 1, 2
local moment = ffi.new("struct moment")

-- What `done` reads: it runs in a state of its own.
answers, bad, began, ended, in_flight = 0, 0, 0, 0, 0

local case, streams, codes = nil, {}, {}
local looked_at, over = false, false
local sent, got, opened = {}, {}, 0
local kept

local function now()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local function open(stream)
  stream.lines, stream.first, stream.last, stream.credit = {}, 1, 0, 0
  for line in io.lines(stream.file) do
    stream.last = stream.last + 1
    stream.lines[stream.last] = line
  end
end

function init(arguments)
  case = dofile(arguments[1])
  streams = case.streams
  for _, stream in ipairs(streams) do open(stream) end
  kept = case.keep and io.open(case.keep, "w")
end

-- Milliseconds before a request. The first ones leave the server the time to accept all connections, and do not come
-- all at once. The others are as those of people who do not know of each other.
function delay()
  if opened < case.connections then
    opened = opened + 1
    return case.settle + math.random(0, case.spread)
  end
  return case.delay == 0 and 0 or math.floor(0.5 - case.delay * math.log(1 - math.random()))
end

-- The stream whose turn it is, so that any stretch of requests has all of them by their weights.
local function choose()
  local chosen = streams[1]
  for _, stream in ipairs(streams) do
    stream.credit = stream.credit + stream.weight
    if stream.credit > chosen.credit then chosen = stream end
  end
  chosen.credit = chosen.credit - case.weights
  return chosen
end

local function take(stream)
  if stream.first > stream.last then
    if stream.once then return nil end
    stream.first = 1
  end
  local number, line = stream.first, stream.lines[stream.first]
  stream.first = number + 1
  return line, number
end

local function form(stream, path, body)
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  if stream.authorization ~= "" then headers["Authorization"] = stream.authorization end
  return wrk.format("POST", path, headers, body)
end

local function ask(stream)
  local line, number = take(stream)
  if line == nil then return nil end
  if stream.bearer then return wrk.format("GET", stream.path, { ["Authorization"] = line }), stream.good end
  if stream.exchange == "" then return form(stream, stream.path, line), stream.good end
  local target, cookie = string.match(line, "^(%S+)\t([^\t]+)\t")
  return wrk.format("GET", target .. "&state=" .. number, { ["Cookie"] = cookie }), stream.good
end

-- The second half of a flow: a code that an answer brought is exchanged.
local function exchange(code)
  local stream = streams[1]
  local body = "grant_type=authorization_code&code=" .. code.text .. "&redirect_uri=" .. stream.redirect_uri
  return form(stream, stream.exchange, body .. "&code_verifier=" .. string.match(stream.lines[code.number], "%S+$"))
end

-- wrk ends by an interrupt as it does when its time is up.
local function finish()
  if over and in_flight == 0 then ffi.C.kill(ffi.C.getpid(), INTERRUPT) end
end

function request()
  if not looked_at then
    looked_at = true -- wrk looks at one request before it begins, and does not send it
    return wrk.format("GET")
  end
  local message, good
  if #codes > 0 then
    message, good = exchange(table.remove(codes)), "200"
  elseif not over then
    message, good = ask(choose())
  end
  if message == nil then
    over = true
    finish()
    return "" -- the connection rests
  end
  if began == 0 then began = now() end
  sent[good] = (sent[good] or 0) + 1
  in_flight = in_flight + 1
  return message
end

local function kind_of(status, headers, body)
  local location = headers["Location"] or headers["location"]
  if location and streams[1].exchange ~= "" then
    local text, number = string.match(location, "[?&]code=([^&]+)"), string.match(location, "[?&]state=(%d+)")
    if not (text and number) then return status .. " without a code" end
    table.insert(codes, { text = text, number = tonumber(number) })
  end
  return string.find(body, '"active":%s*false') and status .. " inactive" or tostring(status)
end

-- A refresh token, for the stream that rotates, makes one more line.
local function rotate(body)
  for _, stream in ipairs(streams) do
    local token = stream.rotating and string.match(body, '"refresh_token":%s*"([^"]+)"')
    if token then
      stream.last = stream.last + 1
      stream.lines[stream.last] = "grant_type=refresh_token&refresh_token=" .. token
    end
  end
end

-- An answer is bad where there are more of its kind than requests that are to be answered so.
function response(status, headers, body)
  local kind = kind_of(status, headers, body)
  got[kind] = (got[kind] or 0) + 1
  if got[kind] > (sent[kind] or 0) then bad = bad + 1 end
  if case.counted == "" or kind == case.counted then answers = answers + 1 end
  rotate(body)
  if kept then kept:write(string.match(body, '"access_token":%s*"([^"]+)"') or "", "\n") end
  ended = now()
  in_flight = in_flight - 1
  finish()
end

function setup(thread) threads = { thread } end

function done(summary, latency)
  local thread, errors = threads[1], summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("RESULT %d %d %.6f %d %d %d\n", thread:get("answers"), thread:get("bad") + broken,
    thread:get("ended") - thread:get("began"), summary.requests, summary.duration, thread:get("in_flight")))
  for index = 1, #latency do io.write(string.format("LATENCY %d %d\n", latency(index))) end
end
