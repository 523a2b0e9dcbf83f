#include "common/version.h"

#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "build_version.h"

namespace shoal {
namespace {

std::string Compiler() {
#if defined(__clang__)
  return absl::StrCat("Clang ", __clang_major__, ".", __clang_minor__, ".", __clang_patchlevel__);
#else
  return absl::StrCat("GCC ", __GNUC__, ".", __GNUC_MINOR__, ".", __GNUC_PATCHLEVEL__);
#endif
}

// The value of the first line "model name : ..." of /proc/cpuinfo; "unknown CPU" without one.
std::string CpuModel() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    const size_t colon = line.find(':');
    if (absl::StartsWith(line, "model name") && colon != std::string::npos) {
      return std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
  }
  return "unknown CPU";
}

std::string Cpu() {
  std::string cpu = CpuModel();
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) absl::StrAppend(&cpu, " avx2");
  if (__builtin_cpu_supports("fma")) absl::StrAppend(&cpu, " fma");
  if (__builtin_cpu_supports("avx512f")) absl::StrAppend(&cpu, " avx512f");
#endif
  return cpu;
}

}  // namespace

std::string BuildInfo::Build() const {
  return absl::StrCat(version, " (", absl::StrJoin({revision, compiler, build_type}, ", "), ")");
}

const BuildInfo& GetBuildInfo() {
  static const BuildInfo* const info =
      new BuildInfo{SHOAL_VERSION, SHOAL_REVISION, Compiler(), SHOAL_BUILD_TYPE, Cpu()};
  return *info;
}

std::string VersionLine(std::string_view program) {
  const BuildInfo& info = GetBuildInfo();
  return absl::StrCat(std::string(program), " ", info.Build(), " on ", info.cpu);
}

}  // namespace shoal
