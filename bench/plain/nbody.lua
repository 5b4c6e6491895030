local function body(x, y, z, vx, vy, vz, mass)
  return {x = x, y = y, z = z, vx = vx, vy = vy, vz = vz, mass = mass}
end
local day, sun_mass = 365.24, 4 * math.pi ^ 2
local bodies = {
  body(0, 0, 0, 0, 0, 0, sun_mass),
  body(4.84143144246472090, -1.16032004402742839, -0.103622044471123109,
       0.00166007664274403694 * day, 0.00769901118419740425 * day, -0.0000690460016972063023 * day,
       0.000954791938424326609 * sun_mass),
  body(8.34336671824457987, 4.12479856412430479, -0.403523417114321381,
       -0.00276742510726411899 * day, 0.00499852801234917238 * day, 0.0000230417297573763929 * day,
       0.000285885980666130812 * sun_mass),
  body(12.8943695621391310, -15.1111514016986312, -0.223307578892655734,
       0.00296460137564761618 * day, 0.00237847173959480950 * day, -0.0000296589568540237556 * day,
       0.0000436624404335156298 * sun_mass),
  body(15.3796971148509165, -25.9193146099879641, 0.179258772950371181,
       0.00268067772490389322 * day, 0.00162824170038242295 * day, -0.0000951592254519715870 * day,
       0.0000515138902046611451 * sun_mass),
}
local sqrt = math.sqrt
local function advance(bodies, dt)
  local n = #bodies
  for i = 1, n do
    local b = bodies[i]
    local vx, vy, vz = b.vx, b.vy, b.vz
    for j = i + 1, n do
      local c = bodies[j]
      local dx, dy, dz = b.x - c.x, b.y - c.y, b.z - c.z
      local d2 = dx * dx + dy * dy + dz * dz
      local mag = dt / (d2 * sqrt(d2))
      local mj = c.mass * mag
      vx, vy, vz = vx - dx * mj, vy - dy * mj, vz - dz * mj
      local mi = b.mass * mag
      c.vx, c.vy, c.vz = c.vx + dx * mi, c.vy + dy * mi, c.vz + dz * mi
    end
    b.vx, b.vy, b.vz = vx, vy, vz
    b.x, b.y, b.z = b.x + dt * vx, b.y + dt * vy, b.z + dt * vz
  end
end
local function energy(bodies)
  local e = 0
  for i, b in ipairs(bodies) do
    e = e + 0.5 * b.mass * (b.vx ^ 2 + b.vy ^ 2 + b.vz ^ 2)
    for j = i + 1, #bodies do
      local c = bodies[j]
      e = e - b.mass * c.mass / sqrt((b.x - c.x) ^ 2 + (b.y - c.y) ^ 2 + (b.z - c.z) ^ 2)
    end
  end
  return e
end
for step = 1, tonumber(arg[1]) or 50000 do advance(bodies, 0.01) end
print(string.format("%.9f", energy(bodies)))
