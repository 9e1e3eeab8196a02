-- What chaos has found and does not report, because it is described in attack/found/ and not mended yet. When
-- it is mended, the line goes, and chaos holds the promise.
return {
  end_after_reset = true, -- a clean end of stream after a send has reported the reset
}
