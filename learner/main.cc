// shoal-learner: receives rows, learns, writes checkpoints and hands out policies.

#include "learner/learner_program.h"
#include "learner/ppo/trainer.h"

int main(int argc, char** argv) { return shoal::LearnerMain(argc, argv, shoal::PpoTrainer::Create); }
