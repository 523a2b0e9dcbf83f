#pragma once

// Which build this is and what it runs on: for --version, for what runs record of themselves, and
// for messages between programs. Thread-safe; nothing here changes while a program runs.

#include <string>
#include <string_view>

namespace shoal {

struct BuildInfo {
  std::string version;     // The project's, "0.1.0".
  std::string revision;    // `git describe` of the source when it was configured, or "unknown".
  std::string compiler;    // "GCC 12.2.0".
  std::string build_type;  // "Release".
  std::string cpu;         // Model of this machine's CPU and the vector extensions that it has.

  // "0.1.0 (f00ba44, GCC 12.2.0, Release)": the build alone, the same on every machine.
  std::string Build() const;
};

const BuildInfo& GetBuildInfo();

// What `program --version` prints: "shoal 0.1.0 (f00ba44, GCC 12.2.0, Release) on ...".
std::string VersionLine(std::string_view program);

}  // namespace shoal
