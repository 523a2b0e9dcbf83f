// Pictures by gnuplot, which draws what it is told through its standard input.
//
// Thread-safe; a call runs one gnuplot and waits for it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace shoal {

struct GnuplotPicture {
  // Path of the file in the folder, '/' between folders.
  std::string file;
  // What follows "set terminal".
  std::string terminal;
  std::string commands;
};

struct GnuplotOptions {
  // The program, looked for in PATH.
  std::string program = "gnuplot";
  absl::Duration timeout = absl::Seconds(60);
  // Asked ten times a second; true ends the work with Cancelled. May be empty.
  std::function<bool()> cancelled;
};

// Draws all pictures with one gnuplot into a hidden folder inside `folder`, which is made if need
// be, and moves each to its place when all are whole: a reader never sees half of one, and after an
// error the old ones stand. NotFound: there is no such program; DeadlineExceeded; Internal: gnuplot
// failed, with what it said; errors of the file system name the path.
absl::Status DrawPictures(const std::string& folder, const std::vector<GnuplotPicture>& pictures,
                          const GnuplotOptions& options);

// Text as a gnuplot string, quotes included. Control characters become spaces.
std::string GnuplotText(const std::string& text);

}  // namespace shoal
