// Where a run's messages to its peers go. Implemented by gRPC streams and by tests.
#pragma once

#include "shoal/v1/learner.pb.h"
#include "shoal/v1/worker.pb.h"

namespace shoal {

// Methods do not block and may be called until the loop is told that the peer is gone.
class WorkerPort {
 public:
  virtual ~WorkerPort() = default;
  virtual void Send(v1::WorkResponse response) = 0;
  // Cuts a silent peer off; WorkerGone follows.
  virtual void Abort() = 0;
};

class LearnerPort {
 public:
  virtual ~LearnerPort() = default;
  virtual void Send(v1::LearnResponse response) = 0;
  virtual void Abort() = 0;
};

}  // namespace shoal
