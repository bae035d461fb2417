// Package machine says what a measurement ran on, and how quiet it was there.
package machine

// Facts are what does not change while something is measured. What the machine
// does not tell is empty.
type Facts struct {
	CPU      string   `json:"cpu"`
	Features []string `json:"features"` // of the processor, those that engines use: avx2, avx512f, avx512_vnni and the like
	Cores    int      `json:"cores"`    // that this process may use
	Governor string   `json:"governor,omitempty"`
	Memory   int64    `json:"memory_bytes"`
	Kernel   string   `json:"kernel"`
	Virtual  string   `json:"virtual,omitempty"` // under which hypervisor or container
	Go       string   `json:"go"`
	Version  string   `json:"version"` // of this program
}

// Noise is what else the machine did while something was measured.
type Noise struct {
	LoadBefore float64 `json:"load_before"` // processes that ran or wanted to, mean of the minute before
	Others     float64 `json:"others"`      // share of the processors' time that other processes had, 0 to 1
	Steal      float64 `json:"steal"`       // share that the hypervisor gave to other machines, 0 to 1
	Noisy      bool    `json:"noisy"`
	Why        string  `json:"why,omitempty"` // in words
}
