// shoal-fake-learner: shoal-learner's command line and everything else of it but what learns.

#include "learner/learner_program.h"
#include "tests/fake_learner/fake_trainer.h"

int main(int argc, char** argv) { return shoal::LearnerMain(argc, argv, shoal::CreateFakeTrainer); }
