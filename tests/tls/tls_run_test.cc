// Real programs with certificates: the same run as without, orders from those who may give them, and
// programs that end with words where theirs will not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc.h"
#include "tests/processes/program_set.h"
#include "tests/tls/certificates.h"

namespace shoal {
namespace {

using testing::HasSubstr;

std::string Program(const std::string& name) {
  const std::filesystem::path tests = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return (name == "shoal-fake-learner" ? tests / name : tests.parent_path() / "bin" / name).string();
}

class TlsRun : public testing::Test {
 protected:
  ProgramSet::Options NewRun(const std::string& name, int iterations) {
    ProgramSet::Options set;
    set.run_dir = MakeRun(certificates_.path(), name, SmallRun(certificates_.path(), iterations));
    return set;
  }
  // With the folder of all certificates; each program finds its own.
  ProgramSet::Options WithTls(ProgramSet::Options set) {
    for (const char* program : {"coordinator", "learner", "actor-0", "actor-1"}) {
      set.more[program].push_back("--tls_dir=" + certificates_.path());
    }
    set.channel.tls = certificates_.Load("operator");
    return set;
  }
  static void StartAll(ProgramSet& set) {
    for (const char* program : {"coordinator", "learner", "actor-0", "actor-1"}) set.Start(program);
  }
  std::string OutcomeOf(const ProgramSet::Options& options) {
    ProgramSet set(options);
    StartAll(set);
    EXPECT_TRUE(set.AwaitEnd());
    const auto outcome = Outcome(options.run_dir);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.value_or("");
  }
  Output Shoal(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Program("shoal"));
    return RunCommand(arguments);
  }

  Certificates certificates_;
};

TEST_F(TlsRun, IsTheSameRun) {
  const std::string plain = OutcomeOf(NewRun("plain", 6));
  EXPECT_THAT(plain, HasSubstr("iterations: 6 of 6"));
  EXPECT_THAT(plain, HasSubstr("policy_sha256 "));
  EXPECT_EQ(OutcomeOf(WithTls(NewRun("tls", 6))), plain);
}

TEST_F(TlsRun, GoesOnWhileAllCertificatesAreReplaced) {
  const std::string plain = OutcomeOf(NewRun("plain", 40));
  const ProgramSet::Options options = WithTls(NewRun("tls", 40));
  ProgramSet set(options);
  StartAll(set);
  ASSERT_TRUE(set.AwaitCommitted(2));
  // Without actors the run waits, however long this takes.
  set.Kill("actor-0");
  set.Kill("actor-1");
  for (const Role role : kAllRoles) certificates_.Make({"renew", certificates_.path(), RoleName(role)});
  // Programs that are started anew come with their new certificates to servers that ran on.
  set.Start("actor-0");
  set.Start("actor-1");
  ASSERT_TRUE(set.AwaitEnd());
  EXPECT_EQ(*Outcome(options.run_dir), plain);
}

TEST_F(TlsRun, AnswersThoseWhoMayAsk) {
  ProgramSet set(WithTls(NewRun("asked", 4)));
  set.Start("coordinator");
  const auto status = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"status", "--coordinator", set.coordinator_address(), "--timeout", "5"});
    return Shoal(more);
  };
  const Output reader = status({"--tls_dir", certificates_.Folder("reader")});
  EXPECT_EQ(reader.code, 0) << reader.text;
  EXPECT_THAT(reader.text, HasSubstr("asked"));
  // The operator's is found in the folder of all.
  EXPECT_EQ(status({"--tls_dir", certificates_.path()}).code, 0);
  const Output plain = status({});
  EXPECT_EQ(plain.code, 4) << plain.text;
  const Output actor = status({"--tls_dir", certificates_.Folder("actor")});
  EXPECT_EQ(actor.code, 2) << actor.text;
  EXPECT_THAT(actor.text, HasSubstr("has the roles actor; this program needs operator, reader"));
}

TEST_F(TlsRun, ProgramsEndWithWordsWhereCertificatesWillNotDo) {
  const std::string run = NewRun("refused", 4).run_dir;
  const struct {
    std::vector<std::string> command;
    std::string says;
  } cases[] = {
      {{"shoal-coordinator", "--run_dir=" + run, "--tls_dir=" + certificates_.Folder("actor")},
       "has the roles actor; this program needs coordinator"},
      {{"shoal-coordinator", "--run_dir=" + run, "--tls_dir=" + certificates_.Folder("nowhere")},
       "there is no cert.pem in"},
      {{"shoal-coordinator", "--run_dir=" + run, "--tls_cert=x.pem"}, "go together"},
      {{"shoal-coordinator", "--run_dir=" + run, "--tls_cert=x.pem", "--tls_dir=" + certificates_.path()},
       "--tls_dir names all files"},
      {{"shoal-coordinator", "--run_dir=" + run, "--listen=0.0.0.0:0"}, "give certificates (--tls_dir)"},
      {{"shoal-actor", "--coordinator=unix:/nowhere", "--tls_dir=" + certificates_.Folder("reader")},
       "this program needs actor"},
      {{"shoal-actor", "--coordinator=192.0.2.1:5000"}, "give certificates (--tls_dir), or --allow_insecure"},
      {{"shoal-fake-learner", "--coordinator=192.0.2.1:5000", "--run_dir=" + run},
       "give certificates (--tls_dir), or --allow_insecure"},
      {{"shoal", "status", "--coordinator=192.0.2.1:5000"},
       "give certificates (--tls_dir), or --allow_insecure"},
  };
  for (const auto& one : cases) {
    std::vector<std::string> command = one.command;
    command[0] = Program(command[0]);
    const Output output = RunCommand(command);
    EXPECT_GT(output.code, 0) << one.command[0] << output.text;
    EXPECT_THAT(output.text, HasSubstr(one.says)) << one.command[0];
  }
}

}  // namespace
}  // namespace shoal
