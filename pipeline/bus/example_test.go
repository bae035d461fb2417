package bus_test

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"dashline/pipeline/bus"
	"dashline/pipeline/bus/embedded"
	"dashline/pipeline/msg"
)

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close(ctx)
	publisher, err := bus.Connect(ctx, bus.Options{URL: server.URL(), Vehicle: "car"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer publisher.Close(ctx)

	heard := make(chan error, 1)
	go func() { heard <- hear(server.URL()) }()
	if err := server.WaitSubscribers(ctx, "dashline.car.front.detections", 1); err != nil {
		fmt.Println(err)
	}
	publisher.Detections(&msg.Detections{
		Header: msg.Header{Camera: "front", Seq: 7},
		Items:  []msg.Detection{{Label: "car", Score: 0.75, Box: msg.Box{X0: 1, Y0: 2, X1: 30, Y1: 40}}},
	})
	if err := <-heard; err != nil {
		fmt.Println(err)
	}
	// Output: frame 7: car 0.75 at {1 2 30 40}
}

// hear has in it what docs/bus.md shows.
func hear(url string) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("dashline.*.*.detections")
	if err != nil {
		return err
	}
	m, err := sub.NextMsg(10 * time.Second)
	if err != nil {
		return err
	}
	read, err := bus.Decode(m.Subject, m.Header, m.Data)
	if err != nil {
		return err
	}
	d := read.Value.(*msg.Detections)
	for _, o := range d.Items {
		fmt.Printf("frame %d: %s %.2f at %v\n", d.Seq, o.Label, o.Score, o.Box)
	}
	return nil
}
