#include "coordinator/artifacts/gnuplot.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/subprocess.h"
#include "coordinator/artifacts/stale_files.h"

namespace shoal {
namespace {

constexpr size_t kMaxSaid = 64 << 10;
constexpr size_t kMaxPicture = 64 << 20;

// Waits for the program's end.
absl::Status Await(Subprocess& process, const GnuplotOptions& options, const std::string& said) {
  const absl::Time deadline = absl::Now() + options.timeout;
  std::optional<ExitStatus> exit;
  while (!(exit = process.WaitUntil(std::min(deadline, absl::Now() + absl::Milliseconds(100))))) {
    if (options.cancelled && options.cancelled()) return absl::CancelledError("interrupted");
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(options.program, " was not done after ",
                                                      absl::FormatDuration(options.timeout)));
    }
  }
  if (exit->success()) return absl::OkStatus();
  auto text = ReadFile(said, kMaxSaid);
  return absl::InternalError(absl::StrCat(
      options.program, " ended with ", exit->ToString(), ": ",
      text.ok() ? absl::StripAsciiWhitespace(*text) : absl::string_view(text.status().message())));
}

// gnuplot has no word for a disk that is full: a picture is whole if its end is there.
absl::Status CheckWhole(const std::string& path, const std::string& name) {
  auto bytes = ReadFile(path, kMaxPicture);
  if (!bytes.ok()) return bytes.status();
  const std::string_view content(*bytes);
  const bool png = content.substr(0, 8) == std::string_view("\x89PNG\r\n\x1a\n", 8) &&
                   content.size() > 20 && content.substr(content.size() - 8, 4) == "IEND";
  const bool gif = content.substr(0, 4) == "GIF8" && content.back() == ';';
  if (png || gif) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("gnuplot left ", name, " unfinished (", bytes->size(),
                                          " bytes); is the disk full?"));
}

absl::Status Move(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot replace ", to));
}

}  // namespace

std::string GnuplotText(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c;
  }
  return quoted + "'";
}

absl::Status DrawPictures(const std::string& folder, const std::vector<GnuplotPicture>& pictures,
                          const GnuplotOptions& options) {
  if (pictures.empty()) return absl::OkStatus();
  if (absl::Status status = CreateDirectories(folder); !status.ok()) return status;
  if (auto removed = RemoveStaleFiles(folder); !removed.ok()) return removed.status();
  static std::atomic<uint64_t> counter{0};
  const std::string work = absl::StrCat(std::filesystem::absolute(folder).string(), "/.plots.tmp.",
                                        getpid(), ".", counter.fetch_add(1));
  if (absl::Status status = CreateDirectories(work); !status.ok()) return status;
  const absl::Cleanup remove = [&work] {
    std::error_code ignored;
    std::filesystem::remove_all(work, ignored);
  };
  SubprocessOptions gnuplot;
  gnuplot.argv = {options.program};
  gnuplot.stdout_path = gnuplot.stderr_path = absl::StrCat(work, "/said");
  // What a person has in ~/.gnuplot is for that person's own plots.
  gnuplot.argv.push_back("--default-settings");
  gnuplot.argv.push_back("-");
  for (size_t i = 0; i < pictures.size(); ++i) {
    absl::StrAppend(&gnuplot.input, "reset session\nset encoding utf8\nset terminal ",
                    pictures[i].terminal, "\nset output ", GnuplotText(absl::StrCat(work, "/", i)), "\n", pictures[i].commands,
                    "unset output\n");
  }
  auto process = Subprocess::Start(gnuplot);
  if (!process.ok()) {
    if (!absl::IsNotFound(process.status())) return process.status();
    return absl::NotFoundError(absl::StrCat("plots need ", options.program,
                                            ", which is not there (package gnuplot-nox)"));
  }
  absl::Status status = Await(**process, options, gnuplot.stderr_path);
  for (size_t i = 0; status.ok() && i < pictures.size(); ++i) {
    status = CheckWhole(absl::StrCat(work, "/", i), pictures[i].file);
  }
  for (size_t i = 0; status.ok() && i < pictures.size(); ++i) {
    const std::string to = absl::StrCat(folder, "/", pictures[i].file);
    status = CreateDirectories(DirectoryOf(to));
    if (status.ok()) status = Move(absl::StrCat(work, "/", i), to);
  }
  return status;
}

}  // namespace shoal
