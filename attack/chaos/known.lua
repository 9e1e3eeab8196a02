-- What chaos has found and does not report, because it is not mended yet. When it is mended, its line goes, and
-- chaos holds the promise.
return {}
