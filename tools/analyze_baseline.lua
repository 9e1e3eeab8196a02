-- What the analysers find and is right as it stands: for `make lint-analyze`. An entry excuses the findings
-- whose check contains `check`, on lines that contain `source`, in `file`; without one of these, on any line or
-- in any file.

return {
  { check = "cert-err33-c", source = "snprintf(", reason = "texts for people: one that is too long is cut" },
  { check = "cert-err33-c", source = "fclose(file);", reason = "of files that were only read" },
  {
    check = "bugprone-macro-parentheses", source = ".read = read_function,", file = "src/stream/transport.c",
    reason = "a function's name needs no parentheses",
  },
  { check = "bugprone-narrowing", source = "? '@' :", reason = "a character constant is an int that fits into a char" },
  { check = "bugprone-narrowing", source = "is_valid ? byte : 0;", reason = "0 is an int that fits into a char" },
  { check = "bugprone-narrowing", source = ": '?';", reason = "a character constant is an int that fits into a char" },
  {
    check = "bugprone-implicit-widening", source = "2 * i", file = "src/openssl/peer_info.c",
    reason = "a digest has EVP_MAX_MD_SIZE bytes at most",
  },
  {
    check = "null-dereference", source = "buffer->block->start -= size;", file = "src/base/buffer.c",
    reason = "there is a block after buffer_reserve has succeeded",
  },
  {
    check = "null-dereference", source = "selectable_shared(each->selectable)->", file = "src/sync/select.c",
    reason = "only a case of a shared selectable has a record",
  },
  {
    check = "malloc-leak", source = "poll_grow_slots", file = "src/event/poller_epoll.c",
    reason = "poll->slots keeps what was allocated",
  },
  {
    check = "use-after-free", source = "idle_stream_is_worth_a_call(", file = "src/net/idle_streams.c",
    reason = "a stream has left the queue of the ready ones before it is dropped",
  },
  {
    check = "unix.Malloc", file = "src/kernel/wait_queue.h",
    reason = "an idle stream has left its queue before it is freed",
  },
  {
    check = "malloc-leak", file = "src/worker/blocking.c",
    reason = "an idle state is kept in the list of the idle ones",
  },
  {
    check = "core.NullDereference", file = "src/base/list.h",
    reason = "a node that is in a list has the list's ends or its neighbours there",
  },
  {
    check = "unix.Malloc", source = "shared_wait_of_object(object->waits.first);", file = "src/worker/shared_wait.c",
    reason = "a wait leaves the list before it is freed",
  },
  {
    check = "cert-err33-c", source = "vfprintf(stderr", file = "src/base/error.c",
    reason = "nobody could be told that stderr cannot be written to",
  },
  {
    check = "cert-err33-c", source = "fprintf(", file = "src/worker/worker.c",
    reason = "nobody could be told that stderr cannot be written to",
  },
  {
    check = "cert-err33-c", source = "fflush(stderr)", file = "src/base/error.c",
    reason = "nobody could be told that stderr cannot be written to",
  },
  { check = "cert-err33-c", file = "src/event/exit.c", reason = "the process ends, whatever these calls return" },
  {
    check = "cert-err33-c", source = "atexit(", file = "src/os/child.c",
    reason = "without room for it the children are ended with the loop, which os.exit may leave out",
  },
  {
    check = "cert-err33-c", source = "fflush(file->f);", file = "src/os/process_start.c",
    reason = "the program that has the file sees its failures at its next call",
  },
  {
    check = "cert-err33-c", source = "signal(number, SIG_DFL);", file = "src/system/child_process_posix.c",
    reason = "a signal that cannot have the default is the C library's own",
  },
  { check = "cert-err34-c", file = "src/system/child_process_posix.c", reason = "the kernel writes the number" },
  { check = "malloc-leak", file = "src/system/inotify.c", reason = "tree->watched keeps the name until watch_drop" },
}
