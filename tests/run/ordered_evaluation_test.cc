// Evaluations that people ask for while a run trains (`shoal eval now`).
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::Not;

class OrderedEvaluationTest : public RunLoopTest {
 protected:
  void Evaluate(int64_t at, const std::string& request_id) {
    v1::Order order;
    order.set_kind(v1::Order::KIND_EVALUATE);
    order.set_at_iteration(at);
    order.set_request_id(request_id);
    auto given = loop_->GiveOrder(order, now_);
    ASSERT_TRUE(given.ok()) << given.status();
  }
  // The same run from its beginning.
  void OpenAnew() {
    loop_.reset();
    for (const char* file : {"run.db", "run.db-wal", "run.db-shm", "metrics.csv"}) {
      std::filesystem::remove(absl::StrCat(folder_, "/", file));
    }
    Open();
  }
  // To the run's end; `dying`: everything dies after each commit, with one scene of those then due done.
  void Play(bool dying) {
    for (int life = 0;; ++life) {
      const std::string session = absl::StrCat("life ", life);
      FakeLearner learner;
      Arrive(learner, session);
      FakeWorker worker;
      const WorkerId id = Arrive(worker);
      do {
        Work(id, worker, session);
        if (!learner.updates.empty()) Learn(learner);
        Retain(learner);
      } while (!loop_->over() && !dying);
      if (loop_->over()) return;
      if (!worker.leases.empty()) {
        loop_->OnWorkerMessage(id, Answer(worker.leases.front(), session), now_);
      }
      now_ += absl::Seconds(1);
      Open();
    }
  }
  std::vector<EvaluationRow> Rows() const {
    auto rows = loop_->store().FinishedEvaluations();
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or(std::vector<EvaluationRow>());
  }
  // "multi 2".
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const EvaluationRow& row : Rows()) names.push_back(absl::StrCat(row.kind, " ", row.iteration));
    return names;
  }
  static nlohmann::json Spec(const EvaluationRow& row) { return nlohmann::json::parse(row.spec); }
  // What the gate answered, in its order.
  std::vector<std::string> Answers() const {
    std::vector<std::string> answers;
    for (const EvaluationRow& row : Rows()) {
      if (row.gate_event) answers.push_back(absl::StrCat(row.iteration, *row.gate_event));
    }
    return answers;
  }
  std::vector<std::string> Plans() const {
    std::vector<std::string> plans;
    for (int64_t i = 1; i <= Total(); ++i) {
      auto plan = loop_->store().LoadPlan(i);
      EXPECT_TRUE(plan.ok()) << plan.status();
      if (plan.ok()) plans.push_back(plan->plan.SerializeAsString());
    }
    return plans;
  }
  int64_t Total() const { return loop_->Status(now_).total_iterations(); }
};

TEST_F(OrderedEvaluationTest, PlaysTheScenesOfTheOneBeforeItWithThePolicyOfItsIteration) {
  Open();
  Evaluate(3, "three");
  Evaluate(3, "three again");
  Evaluate(2, "two");
  Play(/*dying=*/false);
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_DONE) << loop_->Status(now_).message();
  ASSERT_THAT(Names(), ElementsAre("multi 2", "ordered 2", "ordered 3", "multi 4"));
  const std::vector<EvaluationRow> rows = Rows();
  for (const EvaluationRow& row : rows) {
    EXPECT_EQ(Spec(row)["policy_sha256"], FakePolicy(row.iteration));
    EXPECT_EQ(row.gate_event.has_value(), row.kind == "multi") << row.iteration;
  }
  EXPECT_EQ(Spec(rows[2])["seeds"], Spec(rows[0])["seeds"]);
  EXPECT_EQ(Spec(rows[1])["seeds"], Spec(rows[0])["seeds"]) << "there is none before the first";
  EXPECT_THAT(Spec(rows[3])["seeds"], Not(testing::Eq(Spec(rows[0])["seeds"])))
      << "an order takes no scenes from the run's own evaluations";
  EXPECT_EQ(loop_->orders()[0].iteration(), 3);
}

TEST_F(OrderedEvaluationTest, ChangesNeitherPlansNorGate) {
  Open();
  Play(/*dying=*/false);
  const std::vector<std::string> plans = Plans(), answers = Answers();
  const int64_t best = loop_->Status(now_).best_iteration();
  ASSERT_EQ(answers.size(), 2u);
  OpenAnew();
  for (int64_t at = 1; at <= 4; ++at) Evaluate(at, absl::StrCat("at ", at));
  Play(/*dying=*/false);
  EXPECT_EQ(Rows().size(), 6u);
  EXPECT_EQ(Plans(), plans);
  EXPECT_EQ(Answers(), answers);
  EXPECT_EQ(loop_->Status(now_).best_iteration(), best);
}

TEST_F(OrderedEvaluationTest, ARunThatDiesAgainAndAgainMakesTheSameOnes) {
  Open();
  Evaluate(1, "one");
  Evaluate(3, "three");
  Play(/*dying=*/false);
  const std::vector<EvaluationRow> whole = Rows();
  ASSERT_EQ(whole.size(), 4u);
  OpenAnew();
  Evaluate(1, "one");
  Evaluate(3, "three");
  Play(/*dying=*/true);
  EXPECT_EQ(loop_->Status(now_).state(), v1::RunStatus::STATE_DONE) << loop_->Status(now_).message();
  const std::vector<EvaluationRow> parts = Rows();
  ASSERT_EQ(parts.size(), whole.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(parts[i].kind, whole[i].kind);
    EXPECT_EQ(parts[i].spec, whole[i].spec);
    EXPECT_EQ(parts[i].summary, whole[i].summary);
    EXPECT_EQ(parts[i].gate_event, whole[i].gate_event);
  }
}

}  // namespace
}  // namespace shoal
