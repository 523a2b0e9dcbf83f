#include "coordinator/queue/run_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/files.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

class RunFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/shoal-files-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    run_ = folder_ + "/run";
    fs::create_directories(run_ + "/checkpoints/iter_1");
    Write("run/run.db", "db");
    Write("run/checkpoints/iter_1/policy", "policy");
    Write("run/.lock", "");
    Write("secret", "secret");
    fs::create_directories(folder_ + "/other");
    Write("other/file", "other");
    fs::create_symlink(folder_ + "/secret", run_ + "/link");
    fs::create_directory_symlink(folder_ + "/other", run_ + "/folder");
    ASSERT_EQ(mkfifo((run_ + "/pipe").c_str(), 0600), 0);
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(absl::StrCat(folder_, "/", name), text).ok());
  }
  absl::StatusOr<std::string> Content(const std::string& path) {
    auto reader = RunFileReader::Open(run_, path);
    if (!reader.ok()) return reader.status();
    std::string content;
    absl::Status status = reader->Read(2, [&](std::string_view piece) {
      content += piece;
      return true;
    });
    if (!status.ok()) return status;
    return content;
  }

  std::string folder_;
  std::string run_;
};

TEST_F(RunFiles, ListsRegularFilesAndNothingElse) {
  auto files = ListRunFiles(run_);
  ASSERT_TRUE(files.ok()) << files.status();
  std::string names;
  for (const v1::RunFile& file : *files) {
    absl::StrAppend(&names, file.path(), ":", file.size_bytes(), " ");
  }
  EXPECT_EQ(names, "checkpoints/iter_1/policy:6 run.db:2 ");
}

TEST_F(RunFiles, ReadsWhatIsListed) {
  EXPECT_EQ(*Content("checkpoints/iter_1/policy"), "policy");
  EXPECT_TRUE(absl::IsNotFound(Content("checkpoints/none").status()));
}

TEST_F(RunFiles, NothingLeadsOut) {
  for (const char* path : {"", "/etc/passwd", "../secret", "checkpoints/../../secret", "a//b", ".lock",
                           "link", "folder/file", "pipe", "checkpoints", "run.db/x", "a\nb"}) {
    const absl::Status status = Content(path).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << path << ": " << status;
  }
}

}  // namespace
}  // namespace shoal
