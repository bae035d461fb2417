package planner

import (
	"fmt"
	"math"
)

// Config is what a vehicle and its passengers ask of a plan. All values are in
// SI units. Where the wire message has 41 points, Horizon and Step have their
// defaults. The tags are for package config, which makes keys and flags of them;
// its tests hold the default tags against [Default].
type Config struct {
	SetSpeed      float64 `yaml:"set_speed" default:"25" help:"Speed kept on a free road, m/s."`
	TimeGap       float64 `yaml:"time_gap" default:"1.8" help:"Time gap to the object that is followed, s."`
	StandstillGap float64 `yaml:"standstill_gap" default:"4" help:"Gap from bumper to object, m, never gone below where braking can help it."`

	MaxAcceleration       float64 `yaml:"max_acceleration" default:"1.5" help:"Largest acceleration, m/s²."`
	ComfortDeceleration   float64 `yaml:"comfort_deceleration" default:"2" help:"Braking that is exceeded only where it does not suffice, m/s², positive."`
	EmergencyDeceleration float64 `yaml:"emergency_deceleration" default:"8" help:"Braking that is never exceeded, m/s², positive."`
	ComfortJerk           float64 `yaml:"comfort_jerk" default:"2" help:"Jerk that is exceeded only where it does not suffice, m/s³."`
	EmergencyJerk         float64 `yaml:"emergency_jerk" default:"15" help:"Jerk that is never exceeded, m/s³."`

	LateralAcceleration    float64 `yaml:"lateral_acceleration" default:"2" help:"Lateral acceleration for which the speed in curves is chosen, m/s²."`
	MaxLateralAcceleration float64 `yaml:"max_lateral_acceleration" default:"4" help:"Lateral acceleration that is never exceeded, m/s²: too fast for a curve, the path runs wide and says so."`
	MaxCurvature           float64 `yaml:"max_curvature" default:"0.18" help:"The tightest turn of the vehicle, 1/m."`

	Horizon   float64 `yaml:"horizon" default:"4" help:"Time of the plan's last point, s."`
	Step      float64 `yaml:"step" default:"0.1" help:"Time between points, s; it divides the horizon."`
	BlendTime float64 `yaml:"blend_time" default:"3" help:"Time in which the lane's centre is reached, s."`

	LaneWidth         float64 `yaml:"lane_width" default:"3.6" help:"Lane width that is taken where only one boundary is seen, m."`
	MinLaneWidth      float64 `yaml:"min_lane_width" default:"2.2" help:"Two boundaries nearer than this are no lane, m."`
	MaxLaneWidth      float64 `yaml:"max_lane_width" default:"6" help:"Two boundaries farther apart than this are no lane, m."`
	MinLaneConfidence float64 `yaml:"min_lane_confidence" default:"0.3" help:"A boundary with less confidence, 0 to 1, counts as not seen."`
	LaneNear          float64 `yaml:"lane_near" default:"15" help:"A boundary that is first seen farther ahead than this counts as not seen, m."`
	MinLaneLength     float64 `yaml:"min_lane_length" default:"8" help:"A boundary shorter than this counts as not seen, m."`

	VehicleWidth  float64 `yaml:"vehicle_width" default:"1.9" help:"Width of the vehicle, m."`
	SideMargin    float64 `yaml:"side_margin" default:"0.4" help:"Objects nearer than this to the vehicle's sides are in its way, m."`
	FrontOverhang float64 `yaml:"front_overhang" default:"1.7" help:"From the camera forward to the front bumper, m."`

	StandingSpeed float64 `yaml:"standing_speed" default:"0.8" help:"An object slower than this over ground stands, m/s."`
	LeadMemory    float64 `yaml:"lead_memory" default:"0.6" help:"For so long an object that was lost from sight is still reckoned with, s."`
	DistanceNoise float64 `yaml:"distance_noise" default:"0.03" help:"Standard deviation of an object's distance, as a share of it."`
}

// Default returns the configuration of a passenger car.
func Default() Config {
	return Config{
		SetSpeed:               25,
		TimeGap:                1.8,
		StandstillGap:          4,
		MaxAcceleration:        1.5,
		ComfortDeceleration:    2,
		EmergencyDeceleration:  8,
		ComfortJerk:            2,
		EmergencyJerk:          15,
		LateralAcceleration:    2,
		MaxLateralAcceleration: 4,
		MaxCurvature:           0.18,
		Horizon:                4,
		Step:                   0.1,
		BlendTime:              3,
		LaneWidth:              3.6,
		MinLaneWidth:           2.2,
		MaxLaneWidth:           6,
		MinLaneConfidence:      0.3,
		LaneNear:               15,
		MinLaneLength:          8,
		VehicleWidth:           1.9,
		SideMargin:             0.4,
		FrontOverhang:          1.7,
		StandingSpeed:          0.8,
		LeadMemory:             0.6,
		DistanceNoise:          0.03,
	}
}

// Validate returns nil, or an error that names the first key out of its range,
// its value and the range.
func (c Config) Validate() error {
	for _, k := range [...]struct {
		key      string
		value    float64
		min, max float64
		unit     string
	}{
		{"set_speed", c.SetSpeed, 1, 70, "m/s"},
		{"time_gap", c.TimeGap, 0.5, 5, "s"},
		{"standstill_gap", c.StandstillGap, 0.5, 20, "m"},
		{"max_acceleration", c.MaxAcceleration, 0.2, 5, "m/s²"},
		{"comfort_deceleration", c.ComfortDeceleration, 0.5, 5, "m/s²"},
		{"emergency_deceleration", c.EmergencyDeceleration, c.ComfortDeceleration, 10, "m/s²"},
		{"comfort_jerk", c.ComfortJerk, 0.5, 10, "m/s³"},
		{"emergency_jerk", c.EmergencyJerk, c.ComfortJerk, 50, "m/s³"},
		{"lateral_acceleration", c.LateralAcceleration, 0.5, 8, "m/s²"},
		{"max_lateral_acceleration", c.MaxLateralAcceleration, c.LateralAcceleration, 10, "m/s²"},
		{"max_curvature", c.MaxCurvature, 0.02, 0.3, "1/m"},
		{"horizon", c.Horizon, 1, 10, "s"},
		{"step", c.Step, 0.02, 0.5, "s"},
		{"blend_time", c.BlendTime, 1, 10, "s"},
		{"min_lane_width", c.MinLaneWidth, 1.5, 10, "m"},
		{"max_lane_width", c.MaxLaneWidth, c.MinLaneWidth, 10, "m"},
		{"lane_width", c.LaneWidth, c.MinLaneWidth, c.MaxLaneWidth, "m"},
		{"min_lane_confidence", c.MinLaneConfidence, 0, 1, ""},
		{"lane_near", c.LaneNear, 1, 50, "m"},
		{"min_lane_length", c.MinLaneLength, 1, 100, "m"},
		{"vehicle_width", c.VehicleWidth, 0.5, 4, "m"},
		{"side_margin", c.SideMargin, 0, 2, "m"},
		{"front_overhang", c.FrontOverhang, 0, 10, "m"},
		{"standing_speed", c.StandingSpeed, 0, 3, "m/s"},
		{"lead_memory", c.LeadMemory, 0, 3, "s"},
		{"distance_noise", c.DistanceNoise, 0.001, 0.5, ""},
	} {
		// Written so that NaN is outside too.
		if !(k.value >= k.min && k.value <= k.max) {
			unit := k.unit
			if unit != "" {
				unit = " " + unit
			}
			return fmt.Errorf("planner: %s is %g%s: give a value from %g to %g", k.key, k.value, unit, k.min, k.max)
		}
	}
	if n := c.Horizon / c.Step; math.Abs(n-math.Round(n)) > 1e-6 {
		return fmt.Errorf("planner: step is %g s: give a value that divides horizon (%g s) into whole steps", c.Step, c.Horizon)
	}
	return nil
}

// steps is the number of steps in a plan, one less than its points.
func (c *Config) steps() int { return int(math.Round(c.Horizon / c.Step)) }
