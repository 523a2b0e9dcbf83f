// Certificates for tests, made by deploy/certificates/make.sh.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/rpc_tls.h"
#include "tests/common/temporary_directory.h"

namespace shoal {

struct Output {
  int code = -1;     // -1: did not start, or a signal ended it
  std::string text;  // standard output and error
};

// Runs it to its end, from the root of the repository.
Output RunCommand(const std::vector<std::string>& command);

// A CA with one certificate for each role, in folders of their names.
class Certificates {
 public:
  Certificates();

  const std::string& path() const { return place_.path(); }
  std::string Folder(const std::string& name) const { return place_ / name; }
  TlsFiles Files(const std::string& name) const;

  // make.sh with these arguments; a test failure if it fails.
  void Make(const std::vector<std::string>& arguments) const;
  // Signs NAME's certificate again, ended an hour ago.
  void Expire(const std::string& name) const;

  // NAME's, with files that are looked at every second.
  std::shared_ptr<const Tls> Load(const std::string& name) const;

 private:
  TemporaryDirectory place_;
};

}  // namespace shoal
