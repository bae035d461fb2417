package planner

import (
	"fmt"
	"math"
)

// Config is what a vehicle and its passengers ask of a plan. All values are in
// SI units. Where the wire message has 41 points, Horizon and Step have their
// defaults.
type Config struct {
	SetSpeed      float64 `yaml:"set_speed"`      // m/s, the speed kept on a free road
	TimeGap       float64 `yaml:"time_gap"`       // s, to the object that is followed
	StandstillGap float64 `yaml:"standstill_gap"` // m, bumper to object, never gone below where braking can help it

	MaxAcceleration       float64 `yaml:"max_acceleration"`       // m/s²
	ComfortDeceleration   float64 `yaml:"comfort_deceleration"`   // m/s², positive; exceeded only where it does not suffice
	EmergencyDeceleration float64 `yaml:"emergency_deceleration"` // m/s², positive; never exceeded
	ComfortJerk           float64 `yaml:"comfort_jerk"`           // m/s³; exceeded only where it does not suffice
	EmergencyJerk         float64 `yaml:"emergency_jerk"`         // m/s³; never exceeded

	LateralAcceleration    float64 `yaml:"lateral_acceleration"`     // m/s², the speed in curves is chosen for it
	MaxLateralAcceleration float64 `yaml:"max_lateral_acceleration"` // m/s², never exceeded: too fast for a curve, the path runs wide and says so
	MaxCurvature           float64 `yaml:"max_curvature"`            // 1/m, never exceeded: the tightest turn of the vehicle

	Horizon   float64 `yaml:"horizon"`    // s, time of the last point
	Step      float64 `yaml:"step"`       // s, between points; divides Horizon
	BlendTime float64 `yaml:"blend_time"` // s, in which the lane's centre is reached

	LaneWidth         float64 `yaml:"lane_width"`          // m, taken where only one boundary is seen
	MinLaneWidth      float64 `yaml:"min_lane_width"`      // m, two boundaries nearer than this are no lane
	MaxLaneWidth      float64 `yaml:"max_lane_width"`      // m, two boundaries farther apart than this are no lane
	MinLaneConfidence float64 `yaml:"min_lane_confidence"` // 0 to 1, a boundary below it counts as not seen
	LaneNear          float64 `yaml:"lane_near"`           // m, a boundary that is first seen farther ahead counts as not seen
	MinLaneLength     float64 `yaml:"min_lane_length"`     // m, a boundary shorter than this counts as not seen

	VehicleWidth  float64 `yaml:"vehicle_width"`  // m
	SideMargin    float64 `yaml:"side_margin"`    // m, objects nearer than this to the vehicle's sides are in its way
	FrontOverhang float64 `yaml:"front_overhang"` // m, from the camera forward to the front bumper

	StandingSpeed float64 `yaml:"standing_speed"` // m/s over ground, an object slower than this stands
	LeadMemory    float64 `yaml:"lead_memory"`    // s, for which an object that was lost from sight is still reckoned with
	DistanceNoise float64 `yaml:"distance_noise"` // standard deviation of an object's distance, as a share of it
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
