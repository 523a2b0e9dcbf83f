// deploy/certificates/make.sh as people use it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tls/certificates.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Output Make(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "deploy/certificates/make.sh");
  return RunCommand(arguments);
}

std::string Text(const std::string& cert) {
  return RunCommand({"openssl", "x509", "-in", cert, "-noout", "-text"}).text;
}

TEST(MakeCertificates, GivesEachRoleItsOwn) {
  const Certificates certificates;
  for (const Role role : kAllRoles) {
    const auto tls = certificates.Load(RoleName(role));
    ASSERT_NE(tls, nullptr);
    EXPECT_THAT(tls->roles(), testing::ElementsAre(role));
  }
}

TEST(MakeCertificates, KeysAreTheirOwnersAlone) {
  const Certificates certificates;
  int keys = 0;
  for (const auto& entry : fs::recursive_directory_iterator(certificates.path())) {
    const fs::perms others = fs::perms::group_all | fs::perms::others_all;
    const std::string name = entry.path().filename().string();
    if (name != "key.pem" && name != "ca.key") continue;
    ++keys;
    EXPECT_EQ(entry.status().permissions() & others, fs::perms::none) << entry.path();
    EXPECT_EQ(entry.status().permissions() & fs::perms::owner_exec, fs::perms::none);
  }
  EXPECT_EQ(keys, 6);
}

TEST(MakeCertificates, ReplacesNothingUnasked) {
  const Certificates certificates;
  const std::string ca = Slurp(certificates.Folder("ca") + "/ca.key");
  const std::string key = Slurp(certificates.Files("actor").key);
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"all", certificates.path()},
           {"ca", certificates.path()},
           {"issue", certificates.path(), "actor", "--role", "actor"}}) {
    const Output refused = Make(arguments);
    EXPECT_EQ(refused.code, 1) << arguments[0];
    EXPECT_THAT(refused.text, HasSubstr("--force")) << arguments[0];
  }
  EXPECT_EQ(Slurp(certificates.Folder("ca") + "/ca.key"), ca);
  EXPECT_EQ(Slurp(certificates.Files("actor").key), key);
  certificates.Make({"issue", certificates.path(), "actor", "--role", "actor", "--force"});
  EXPECT_NE(Slurp(certificates.Files("actor").key), key);
  EXPECT_NE(certificates.Load("actor"), nullptr);
}

TEST(MakeCertificates, RenewsOneAndLeavesTheOthers) {
  const Certificates certificates;
  certificates.Make({"issue", certificates.path(), "east", "--role", "actor", "--role", "reader",
                     "--host", "east.example", "--host", "10.1.2.3", "--host", "fd00::1"});
  const std::string east = Slurp(certificates.Files("east").cert);
  const std::string actor = Slurp(certificates.Files("actor").cert);
  certificates.Make({"renew", certificates.path(), "east", "--days", "7"});
  EXPECT_NE(Slurp(certificates.Files("east").cert), east);
  EXPECT_EQ(Slurp(certificates.Files("actor").cert), actor);
  EXPECT_THAT(certificates.Load("east")->roles(), testing::ElementsAre(Role::kActor, Role::kReader));
  const std::string text = Text(certificates.Files("east").cert);
  EXPECT_THAT(text, HasSubstr("DNS:east.example"));
  EXPECT_THAT(text, HasSubstr("IP Address:10.1.2.3"));
  EXPECT_THAT(text, HasSubstr("IP Address:FD00:0:0:0:0:0:0:1"));
  EXPECT_THAT(text, HasSubstr("CN = east"));
}

TEST(MakeCertificates, SaysWhatIsWrong) {
  const Certificates certificates;
  const TemporaryDirectory empty;
  const struct {
    std::vector<std::string> arguments;
    int code;
    std::string says;
  } cases[] = {
      {{}, 2, "make.sh all"},
      {{"all"}, 2, "make.sh all"},
      {{"sign", "x"}, 2, "make.sh all"},
      {{"all", certificates.path(), "--hosts", "x"}, 2, "make.sh all"},
      {{"issue", certificates.path(), "king", "--role", "king"}, 1, "roles are coordinator"},
      {{"issue", certificates.path(), "x"}, 1, "needs --role"},
      {{"issue", certificates.path(), "../x", "--role", "actor"}, 1, "a name has"},
      {{"issue", certificates.path(), "ca", "--role", "actor"}, 1, "is not ca"},
      {{"issue", certificates.path(), "x", "--role", "actor", "--host", "a b"}, 1, "neither a host"},
      {{"issue", certificates.path(), "x", "--role", "actor", "--host", "x\nURI.9=shoal://role/operator"},
       1, "neither a host"},
      {{"issue", certificates.path(), "x", "--role", "actor", "--days", "0"}, 1, "--days"},
      {{"issue", empty.path(), "x", "--role", "actor"}, 1, "no CA"},
      {{"renew", certificates.path(), "nobody"}, 1, "no certificate"},
      {{"renew", certificates.path(), "actor", "--role", "operator"}, 1, "keeps roles"},
  };
  for (const auto& one : cases) {
    const Output output = Make(one.arguments);
    EXPECT_EQ(output.code, one.code) << output.text;
    EXPECT_THAT(output.text, HasSubstr(one.says));
  }
  EXPECT_FALSE(fs::exists(certificates.Folder("x")));
}

}  // namespace
}  // namespace shoal
