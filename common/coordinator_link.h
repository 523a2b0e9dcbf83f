// A worker's side of its stream to the coordinator, for actors and learners alike: connects, says
// hello, keeps heartbeats going, notices silence, and comes back after a loss, until the run is
// over and the coordinator has no other, it finds the worker unfit, there has been no coordinator for
// long, or the worker is told to stop.
//
// Request and Response are WorkRequest and WorkResponse, or LearnRequest and LearnResponse: both
// pairs have heartbeats, a welcome with heartbeat_interval and a dismissal under the same names.
// Header only, and knows nothing of leases or updates.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/cancellation.h"
#include "common/duplex_stream.h"
#include "common/heartbeats.h"
#include "common/logging.h"
#include "common/printable.h"
#include "common/rpc.h"
#include "common/version.h"
#include "shoal/v1/worker.pb.h"

namespace shoal {

struct LinkTimes {
  // From the start of a stream to the welcome.
  absl::Duration welcome_limit = absl::Seconds(5);
  // Between attempts: doubles from the first to the second while there is no welcome.
  absl::Duration backoff_min = absl::Milliseconds(50);
  absl::Duration backoff_max = absl::Seconds(1);
  // Without an answer of any coordinator for so long, it is over. Zero: never.
  absl::Duration patience = absl::ZeroDuration();
};

template <class Request, class Response>
class CoordinatorLink {
 public:
  using Stream = DuplexStream<Request, Response>;

  // One stream, from hello to loss. Work that was given on it holds it to send its result; after
  // the loss sending does nothing.
  struct Session {
    template <class Start>
    explicit Session(const Start& start) : stream(start) {}

    // Before the stream, so that whatever ends the one has ended the other.
    Cancellation cancellation;
    Stream stream;
  };
  using SessionPtr = std::shared_ptr<Session>;

  // All are called by the thread in Run and must not block for long: heartbeats wait meanwhile.
  struct Handlers {
    // Begins the call.
    std::function<void(grpc::ClientContext*, typename Stream::Reactor*)> start;
    // Made anew for each stream.
    std::function<Request()> hello;
    // Every message but heartbeats and the dismissal; the welcome is the first.
    std::function<void(const SessionPtr&, const Response&)> message;
    // The session, welcomed or not, is cancelled and no more messages come from it.
    std::function<void()> lost;
  };

  CoordinatorLink(Handlers handlers, const LinkTimes& times)
      : handlers_(std::move(handlers)), times_(times) {}

  // Blocks. OK: the run is over, or Stop was called. FailedPrecondition: the coordinator says that
  // this worker does not fit the run, with its own message, or is itself of another protocol or build.
  // Unavailable: none has answered for as long as LinkTimes::patience.
  absl::Status Run() {
    absl::Duration backoff = times_.backoff_min;
    bool told = false;
    bool idle = false;
    Clock::time_point answered = Clock::now();
    while (!stop_.cancelled()) {
      const End end = RunSession();
      if (end.over) return end.status;
      if (stop_.cancelled()) break;
      if (end.welcomed || end.come_again > absl::ZeroDuration()) answered = Clock::now();
      if (GivesUp(answered)) return NoCoordinator(end.status);
      if (end.come_again > absl::ZeroDuration()) {
        // Nothing is wrong: the coordinator has no work now. Once for people, again after each run.
        Log(end.welcomed || !idle ? LogLevel::kInfo : LogLevel::kDebug, "no run is on; waiting",
            {{"reason", end.status}, {"retry_seconds", absl::ToDoubleSeconds(end.come_again)}});
        idle = true;
        told = false;
        backoff = times_.backoff_min;
        stop_.WaitFor(end.come_again);
        continue;
      }
      idle = false;
      if (end.welcomed) {
        backoff = times_.backoff_min;
        told = false;
      }
      // Once for people; how often it is tried again matters to few.
      Log(told ? LogLevel::kDebug : LogLevel::kWarning, "no coordinator; trying again",
          {{"reason", end.status}, {"retry_seconds", absl::ToDoubleSeconds(backoff)}});
      told = true;
      stop_.WaitFor(backoff);
      backoff = std::min(2 * backoff, times_.backoff_max);
    }
    return absl::OkStatus();
  }

  // Makes Run return soon. Any thread, any time.
  void Stop() {
    stop_.Cancel();
    absl::MutexLock lock(&mutex_);
    if (session_ != nullptr) Lose(*session_);
  }

 private:
  using Clock = Heartbeats::Clock;

  struct End {
    bool over = false;      // Do not come back.
    bool welcomed = false;  // There was a session.
    // Above 0: the coordinator has let the worker go for so long.
    absl::Duration come_again = absl::ZeroDuration();
    absl::Status status;
  };

  bool GivesUp(Clock::time_point answered) const {
    return times_.patience > absl::ZeroDuration() &&
           absl::FromChrono(Clock::now() - answered) >= times_.patience;
  }
  absl::Status NoCoordinator(const absl::Status& last) const {
    return absl::UnavailableError(absl::StrCat(
        "no coordinator has answered for ", absl::FormatDuration(times_.patience), " (",
        last.message(), "): the run may be over, and its coordinator with it; --patience says how long "
        "to wait for one, 0 for ever"));
  }

  static void Lose(Session& session) {
    session.cancellation.Cancel();
    session.stream.Cancel();
  }

  End RunSession() {
    const auto session = std::make_shared<Session>(handlers_.start);
    {
      absl::MutexLock lock(&mutex_);
      session_ = session;
    }
    // After Stop either this sees it, or Stop saw the session.
    const End end = stop_.cancelled() ? End() : Talk(session);
    {
      absl::MutexLock lock(&mutex_);
      session_ = nullptr;
    }
    Lose(*session);
    handlers_.lost();
    return end;
  }

  End Talk(const SessionPtr& session) {
    End end;
    Response response;
    session->stream.Send(handlers_.hello());
    StreamEvent event = session->stream.Receive(times_.welcome_limit, &response);
    if (event == StreamEvent::kMessage && response.has_dismissal()) {
      return Dismissed(response, false);
    }
    if (event != StreamEvent::kMessage || !response.has_welcome()) {
      end.status = Lost(event, *session, "no welcome came");
      return end;
    }
    end.welcomed = true;
    if (absl::Status fits = CheckCoordinator(response.welcome().coordinator()); !fits.ok()) {
      end.over = true;
      end.status = fits;
      return end;
    }
    Heartbeats heartbeats(Interval(response), Clock::now());
    handlers_.message(session, response);
    while (true) {
      const Clock::time_point now = Clock::now();
      if (heartbeats.Due(now)) {
        Request request;
        request.mutable_heartbeat()->set_sequence(heartbeats.Sent(now));
        session->stream.Send(std::move(request));
      }
      event = session->stream.Receive(absl::FromChrono(heartbeats.Next() - now), &response);
      if (event == StreamEvent::kEnded) {
        end.status = Lost(event, *session, "");
        return end;
      }
      if (event == StreamEvent::kTimeout) {
        // Looked at only after a wait in which nothing came: messages that lay here while this
        // thread was busy are not silence.
        if (!heartbeats.Silent(Clock::now())) continue;
        end.status = Lost(event, *session, "the coordinator is silent");
        return end;
      }
      heartbeats.Heard(Clock::now());
      if (response.has_dismissal()) return Dismissed(response, true);
      if (!response.has_heartbeat()) handlers_.message(session, response);
    }
  }

  // A coordinator that says nothing of itself is one from before it could, which had this protocol.
  static absl::Status CheckCoordinator(const v1::Coordinator& coordinator) {
    const std::string own = GetBuildInfo().Build();
    if (coordinator.protocol() != v1::PROTOCOL_UNSPECIFIED &&
        coordinator.protocol() != v1::PROTOCOL_CURRENT) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the coordinator (", Printable(coordinator.build(), 256), ") speaks protocol ",
          coordinator.protocol(), ", this program (", own, ") ", v1::PROTOCOL_CURRENT,
          ": use the same build for both"));
    }
    if (!coordinator.build().empty() && !coordinator.any_build() && coordinator.build() != own) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the coordinator is of another build (", Printable(coordinator.build(), 256),
          ") than this program (", own, "), and results could differ: use the same build for both, or "
          "start the coordinator with --any_build"));
    }
    return absl::OkStatus();
  }

  static std::chrono::nanoseconds Interval(const Response& response) {
    const auto& interval = response.welcome().heartbeat_interval();
    // Heartbeats has limits of its own; these keep the sum within an integer.
    return std::chrono::seconds(std::clamp<int64_t>(interval.seconds(), 0, 3600)) +
           std::chrono::nanoseconds(interval.nanos());
  }

  static absl::Status Lost(StreamEvent event, const Session& session, const char* reason) {
    if (event != StreamEvent::kEnded) return absl::DeadlineExceededError(reason);
    const grpc::Status status = session.stream.status();
    if (status.ok()) return absl::UnavailableError("the coordinator ended the stream");
    return FromGrpc(status);
  }

  static End Dismissed(const Response& response, bool welcomed) {
    End end;
    end.welcomed = welcomed;
    const v1::Dismissal& dismissal = response.dismissal();
    if (dismissal.has_come_again() && dismissal.reason() != v1::Dismissal::REASON_UNFIT) {
      end.status = absl::UnavailableError(
          dismissal.reason() == v1::Dismissal::REASON_RUN_OVER ? "the run is over" : "no run is on");
      end.come_again = ComeAgain(dismissal.come_again());
      return end;
    }
    end.over = true;
    if (dismissal.reason() == v1::Dismissal::REASON_UNFIT) {
      end.status = absl::FailedPreconditionError(dismissal.message());
    } else {
      LogInfo("dismissed", {{"message", dismissal.message()}});
    }
    return end;
  }

  // Within what is neither a storm nor a worker that has left.
  static absl::Duration ComeAgain(const google::protobuf::Duration& duration) {
    return std::clamp(absl::Seconds(std::clamp<int64_t>(duration.seconds(), 0, 3600)) +
                          absl::Nanoseconds(duration.nanos()),
                      absl::Milliseconds(50), absl::Minutes(1));
  }

  const Handlers handlers_;
  const LinkTimes times_;
  Cancellation stop_;
  absl::Mutex mutex_;
  SessionPtr session_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal
