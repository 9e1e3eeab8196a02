/*
** The openers of the files that nothing else builds on: each adds its functions
** to the table on top of the stack, [-0, +0]. core.c calls them.
*/
#ifndef ARSENAL_BASE_OPENERS_H
#define ARSENAL_BASE_OPENERS_H

#include <lua.h>

void accept_filter_open(lua_State *L);
void bare_socket_open(lua_State *L);
void copy_open(lua_State *L);
void cosocket_open(lua_State *L);
void channel_open(lua_State *L);
void exit_open(lua_State *L);
void notice_open(lua_State *L);
void fd_wait_open(lua_State *L);
void future_open(lua_State *L);
void file_calls_open(lua_State *L);
void file_life_open(lua_State *L);
void file_watch_open(lua_State *L);
void fs_path_open(lua_State *L);
void fs_read_open(lua_State *L);
void fs_write_open(lua_State *L);
void dns_open(lua_State *L);
void host_open(lua_State *L);
void idle_streams_open(lua_State *L);
void input_open(lua_State *L);
void signal_open(lua_State *L);
void inspect_open(lua_State *L);
void lock_open(lua_State *L);
void luasocket_open(lua_State *L);
void select_open(lua_State *L);
void socket_wait_open(lua_State *L);
void table_open(lua_State *L);
void ticker_open(lua_State *L);
void tcp_open(lua_State *L);
void udp_open(lua_State *L);
void unix_open(lua_State *L);
void readable_open(lua_State *L);
void unix_datagram_open(lua_State *L);
void passing_open(lua_State *L);
void process_open(lua_State *L);
void process_start_open(lua_State *L);
void receive_open(lua_State *L);
void send_open(lua_State *L);
void send_file_open(lua_State *L);
void standard_stream_open(lua_State *L);
void blocking_open(lua_State *L);
void move_datagram_open(lua_State *L);
void move_stream_open(lua_State *L);
void share_listener_open(lua_State *L);
void shared_channel_open(lua_State *L);
void worker_open(lua_State *L);

#endif
