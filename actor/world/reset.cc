// The scene of a seed (WORLD.md, "Reset"): draws and trigonometry in double, state stored in
// float32. The order of draws is the contract; a draw of an option that is off is not made.
#include <algorithm>
#include <cmath>

#include "actor/world/world.h"

namespace shoal {
namespace {

constexpr double kPi = 3.14159265358979323846;
// Fish and predator start within this radius.
constexpr double kSpawnRadius = 0.8 * kStageRadius;

double Radians(double degrees) { return degrees * (kPi / 180.0); }

double HeadingDegrees(double x, double y) {
  if (x == 0.0 && y == 0.0) return 0.0;
  const double degrees = std::atan2(y, x) * (180.0 / kPi);
  return degrees < 0.0 ? degrees + 360.0 : degrees;
}

double Length(float x, float y) {
  const double wide_x = x;
  const double wide_y = y;
  return std::sqrt(wide_x * wide_x + wide_y * wide_y);
}

// Two draws: a bin by weight, a value within it. The table has at least one bin.
double DrawFrom(const BiasTable& table, NumpyRandom* random) {
  double total = 0.0;
  for (const BiasTable::Bin& bin : table.bins) total += bin.weight;
  const double threshold = random->Uniform(0.0, 1.0) * total;
  double cumulative = 0.0;
  for (const BiasTable::Bin& bin : table.bins) {
    cumulative += bin.weight;
    if (cumulative > threshold) return random->Uniform(bin.start, bin.end);
  }
  // Weights that are all 0 after a bin was dropped.
  return random->Uniform(table.bins.back().start, table.bins.back().end);
}

// Where the predator starts; at the origin without a draw where jitter is off.
void PlacePredator(double jitter_radius, NumpyRandom* random, Predator* predator) {
  if (jitter_radius <= 0.0) return;
  const double radius = random->Uniform(0.0, std::min(jitter_radius, kSpawnRadius));
  const double angle = random->Uniform(0.0, 2.0 * kPi);
  predator->x = static_cast<float>(radius * std::cos(angle));
  predator->y = static_cast<float>(radius * std::sin(angle));
}

void AimPredator(const BiasTable& headings, NumpyRandom* random, Predator* predator) {
  predator->vx = kInitialPredatorSpeed;
  predator->vy = 0.0f;
  if (headings.empty()) return;
  const double heading = Radians(DrawFrom(headings, random));
  predator->vx = static_cast<float>(kInitialPredatorSpeed * std::cos(heading));
  predator->vy = static_cast<float>(kInitialPredatorSpeed * std::sin(heading));
}

// One pre-roll step: the velocity is disturbed as the options say, then the predator moves.
void PreRollStep(const WorldOptions& options, NumpyRandom* random, Predator* predator) {
  if (const double jitter = options.predator_pre_roll_angle_jitter; jitter > 0.0) {
    const double angle = random->Uniform(-jitter, jitter);
    const double cosine = std::cos(angle);
    const double sine = std::sin(angle);
    const double vx = predator->vx;
    const double vy = predator->vy;
    predator->vx = static_cast<float>(cosine * vx - sine * vy);
    predator->vy = static_cast<float>(sine * vx + cosine * vy);
  }
  const BiasTable& speeds = options.predator_pre_roll_speed_bias;
  if (const double jitter = options.predator_pre_roll_speed_jitter; jitter > 0.0) {
    // Drawn with a speed table as well, and then not used: so did the original.
    const double scale = 1.0 + random->Uniform(-jitter, jitter);
    if (speeds.empty()) {
      predator->vx = static_cast<float>(predator->vx * scale);
      predator->vy = static_cast<float>(predator->vy * scale);
    }
  }
  if (!speeds.empty()) {
    const double target = DrawFrom(speeds, random);
    const double speed = Length(predator->vx, predator->vy);
    if (speed > 1e-6) {
      predator->vx = static_cast<float>(predator->vx / speed * target);
      predator->vy = static_cast<float>(predator->vy / speed * target);
    }
  }
  StepPredator(predator);
}

}  // namespace

void World::PlaceFish(int env, NumpyRandom* random) {
  for (int fish = 0; fish < num_fish_; ++fish) {
    const double angle = random->Uniform(0.0, 2.0 * kPi);
    const double radius = random->Uniform(0.0, kSpawnRadius);
    const double heading = random->Uniform(0.0, 2.0 * kPi);
    const double speed = random->Uniform(0.0, 1.0);
    const size_t at = Index(env, fish);
    x_[at] = static_cast<float>(radius * std::cos(angle));
    y_[at] = static_cast<float>(radius * std::sin(angle));
    vx_[at] = static_cast<float>(speed * std::cos(heading));
    vy_[at] = static_cast<float>(speed * std::sin(heading));
    death_step_[at] = 0;
  }
}

void World::BoostFish(int env, double boost_speed, NumpyRandom* random) {
  const double speed = kMaxFishSpeed * boost_speed;
  for (int fish = 0; fish < num_fish_; ++fish) {
    const size_t at = Index(env, fish);
    double out_x = x_[at];
    double out_y = y_[at];
    double length = std::sqrt(out_x * out_x + out_y * out_y);
    if (length < 1e-5) {
      // At the centre every direction is outwards.
      out_x = random->StandardNormal();
      out_y = random->StandardNormal();
      length = std::sqrt(out_x * out_x + out_y * out_y);
    }
    out_x /= length;
    out_y /= length;
    const double turn = random->Normal(0.0, options_.escape_jitter_std);
    const double cosine = std::cos(turn);
    const double sine = std::sin(turn);
    vx_[at] = static_cast<float>((cosine * out_x - sine * out_y) * speed);
    vy_[at] = static_cast<float>((sine * out_x + cosine * out_y) * speed);
  }
}

SceneStats World::Reset(int env, const EpisodeStart& start) {
  NumpyRandom random(start.seed);
  Environment& e = envs_[env];
  e = Environment{};
  e.active = true;
  PlaceFish(env, &random);
  if (options_.initial_escape_boost) BoostFish(env, start.escape_boost_speed, &random);
  CountLiving(env);

  Predator& p = e.predator;
  SceneStats stats;
  PlacePredator(options_.predator_spawn_jitter_radius, &random, &p);
  stats.spawn_radius = Length(p.x, p.y);
  stats.spawn_angle_deg = HeadingDegrees(p.x, p.y);
  AimPredator(heading_table_, &random, &p);
  stats.initial_speed = Length(p.vx, p.vy);
  stats.initial_heading_deg = HeadingDegrees(p.vx, p.vy);
  for (int i = 0; i < options_.predator_pre_roll_steps; ++i) PreRollStep(options_, &random, &p);
  stats.final_speed = Length(p.vx, p.vy);
  stats.final_heading_deg = HeadingDegrees(p.vx, p.vy);
  if (start.tail_velocity.has_value()) {
    p.vx = (*start.tail_velocity)[0];
    p.vy = (*start.tail_velocity)[1];
  }
  return stats;
}

}  // namespace shoal
