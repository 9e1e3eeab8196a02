-- Finds the circles of a graph, by Tarjan's algorithm. A graph maps each node to the set of nodes that it
-- has an edge to.

local function sorted_keys(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- The strongly connected components of more than one node, as sorted lists.
return function(graph)
  local circles, stack, on_stack, index, low, count = {}, {}, {}, {}, {}, 0

  -- Takes the nodes from `node` on from the stack.
  local function take(node)
    local members = {}
    repeat
      local member = table.remove(stack)
      on_stack[member] = nil
      members[#members + 1] = member
    until member == node
    table.sort(members)
    return members
  end

  local function visit(node)
    count = count + 1
    index[node], low[node] = count, count
    stack[#stack + 1], on_stack[node] = node, true
    for _, other in ipairs(sorted_keys(graph[node] or {})) do
      if not index[other] then visit(other) end
      if on_stack[other] then low[node] = math.min(low[node], low[other]) end
    end
    if low[node] ~= index[node] then return end
    local members = take(node)
    if #members > 1 then circles[#circles + 1] = members end
  end

  for _, node in ipairs(sorted_keys(graph)) do
    if not index[node] then visit(node) end
  end
  return circles
end
