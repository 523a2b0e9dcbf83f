// `shoal train` with certificates: each program it starts finds its own, and the policy is the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/end_to_end/small_run.h"
#include "tests/tls/certificates.h"

namespace shoal {
namespace {

using TrainTls = Train;

TEST_F(TrainTls, GivesTheSamePolicy) {
  const Certificates certificates;
  const std::string plain = Sha("plain", {"--actors", "2"});
  EXPECT_EQ(plain.size(), 64u);
  EXPECT_EQ(Sha("tls", {"--actors", "2", "--tls_dir", certificates.path()}), plain);
  EXPECT_EQ(Lines("runs/plain/eval_multi_history.jsonl"), Lines("runs/tls/eval_multi_history.jsonl"));
}

TEST_F(TrainTls, OneCertificateWithAllRolesWillDo) {
  const Certificates certificates;
  certificates.Make({"issue", certificates.path(), "box", "--role", "coordinator", "--role", "learner",
                     "--role", "actor", "--role", "operator"});
  EXPECT_EQ(Sha("box", {"--actors", "1", "--tls_dir", certificates.Folder("box")}).size(), 64u);
}

TEST_F(TrainTls, SaysBeforeTheRunWhatIsWrongWithCertificates) {
  const Certificates certificates;
  const Finished refused =
      Shoal(place_, Small(place_, "refused", {"--tls_dir", certificates.Folder("reader"), "--tls_ca", "x"}));
  EXPECT_EQ(refused.code, 2) << refused.out << refused.error;
  EXPECT_THAT(refused.error, testing::HasSubstr("--tls_dir names all files"));
  EXPECT_FALSE(std::filesystem::exists(place_.Path("runs/refused")));
}

}  // namespace
}  // namespace shoal
