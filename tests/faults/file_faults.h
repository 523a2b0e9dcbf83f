// A file layer that fails on purpose: it stands between a program and the C library, so that SQLite
// and all of our own code are under test as they are.
//
// Two forms of the same code. libfile_faults.so, loaded by LD_PRELOAD into a real program, is told by
// the environment:
//   SHOAL_FILE_FAULTS         rules, separated by ';'
//   SHOAL_FILE_FAULTS_ROOT    folder whose files `power` takes back (default: none)
//   SHOAL_FILE_FAULTS_REPORT  file that gets a line when a rule first fires
//   SHOAL_FILE_FAULTS_LOADED  file that gets a line when the library is loaded, before main
// Linked into a test program, it is told by the functions below.
//
// A rule is ACTION:OPERATION:WHERE:WHICH.
//   ACTION     kill        SIGKILL to itself instead of the operation
//              kill_after  ... after it
//              torn        ... after half of the bytes of a write
//              power       ... after everything that was not synced is gone, as at a loss of power
//              enospc, edquot, eio, erofs, einval   the operation fails so
//              short       half of the bytes of a write are written, and it says so
//   OPERATION  open, write, sync, rename, unlink, truncate, mkdir, send, receive; any: all but send
//              and receive. open counts only where it could write. enospc and edquot leave alone
//              what needs no room: unlink, truncate, and open of a file that is there.
//   WHERE      part of the path as the kernel has it (no links, no double slashes); of send and
//              receive the least number of bytes of a message
//   WHICH      "3": the third operation that matches; "3+": from the third on; "3-5"
//
// What a loss of power leaves: of a file, its content at its last sync; of a folder, the names at its
// last sync. A sync that failed, by a rule too, has lost what it should have written: later ones write
// only what has changed since. Not seen: memory-mapped writes (SQLite's -shm, which it makes anew) and
// those through stdio (logs).
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace shoal::file_faults {

// Replaces the rules and forgets what was counted. Ends the program where a rule cannot be read.
void SetRules(const std::string& rules);

// From now on this folder is what a loss of power takes back; what is in it is taken as synced.
void Watch(const std::string& root);

// How often the rule of this index has acted since SetRules.
int64_t Fired(size_t rule = 0);

// Takes everything under the root back that was not synced. No file in it may be open for writing
// afterwards, but by processes that have ended.
void LosePower();

}  // namespace shoal::file_faults
