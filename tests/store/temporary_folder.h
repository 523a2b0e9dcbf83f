// A folder of a test's own, removed at its end.
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace shoal {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    // In memory where that is possible: these tests sync often, and need not wait for a disk.
    std::string name = "/dev/shm/shoalXXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
      name = testing::TempDir() + "shoalXXXXXX";
      if (mkdtemp(name.data()) == nullptr) std::abort();
    }
    path_ = name;
    // Others may look in: some tests act as another user.
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(Path(name), std::ios::binary) << content;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

 private:
  std::string path_;
};

}  // namespace shoal
