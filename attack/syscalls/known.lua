-- Outcomes that are known to be wrong, and cannot be mended here: patterns of what run.lua prints.

return {
  {
    pattern = ":epoll_ctl:%u+:%d+ status 134",
    reason = "libuv aborts if it cannot register its own two descriptors, at the first turn that has work for it",
  },
}
