-- A reset that a send has reported: the receive after it returns a clean end of stream, although bytes that the
-- peer had sent are lost. Prints what the receive returns: it should be a failure with the code "ECONNRESET".
local arsenal = require("arsenal")
local kit = require("spec.kit")

arsenal.run(function()
  local near <close>, far = kit.tcp_pair()
  local _ <close> = far
  kit.small_buffers(near)
  kit.small_buffers(far)
  local sending = arsenal.go(near.send, near, kit.plenty) -- more than the kernel takes: the rest never goes out
  arsenal.sleep(0.01)
  near:reset()
  sending:join()
  arsenal.sleep(0.01)
  print("sent", near:stats().sent)
  print("send", far:send("x"))
  print("recv_all", #(far:recv_all() or ""), select(2, far:recv()))
  print("recv", far:recv())
end)
