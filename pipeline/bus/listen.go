package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// ListenOptions says where and to what to listen.
type ListenOptions struct {
	URL     string // as in Options
	Subject string // with NATS wildcards, for example "dashline.>"
	// Notice takes one line for people when the connection is lost or back, or
	// when messages came faster than they were handled. It is called from other
	// goroutines than Listen's; nil is silent.
	Notice func(line string)
}

// CheckPattern says whether subject can be subscribed to: tokens between dots,
// '*' for any one token, '>' as the last for the rest.
func CheckPattern(subject string) error {
	tokens := strings.Split(subject, ".")
	for i, t := range tokens {
		var wrong string
		switch {
		case t == "":
			wrong = "has an empty token"
		case strings.ContainsAny(t, " \t\r\n\x00"):
			wrong = "has a space or control character in it"
		case t == ">" && i < len(tokens)-1:
			wrong = "has '>' before its end"
		case len(t) > 1 && strings.ContainsAny(t, "*>"):
			wrong = "has a wildcard inside a token"
		default:
			continue
		}
		return fmt.Errorf("subject %.200q %s: write for example dashline.> or dashline.*.front.detections", subject, wrong)
	}
	return nil
}

// Listen calls handle with each message, one after the other, until ctx is done
// (it then returns nil) or handle fails. A server that is absent at the start is
// an error; one that is lost later is waited for. ready, if not nil, is called
// once the server has taken the subscription.
func Listen(ctx context.Context, o ListenOptions, ready func(), handle func(*nats.Msg) error) error {
	if err := CheckPattern(o.Subject); err != nil {
		return err
	}
	notice := o.Notice
	if notice == nil {
		notice = func(string) {}
	}
	where := Redact(o.URL)
	nc, abort, err := dial(ctx, o.URL, "dashline listen",
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				notice(fmt.Sprintf("lost %s (%v): trying again", where, err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { notice("connected to " + where + " again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { notice(trouble(err)) }),
	)
	if err != nil {
		return err
	}
	defer abort()
	defer nc.Close()
	sub, err := nc.SubscribeSync(o.Subject)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", o.Subject, err)
	}
	bounded, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	err = nc.FlushWithContext(bounded)
	if err != nil {
		return ended(ctx, fmt.Errorf("subscribe to %s at %s: %w", o.Subject, where, err))
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return fmt.Errorf("subscribe to %s at %s: %w: use credentials that may, or another subject", o.Subject, where, err)
	}
	if ready != nil {
		ready()
	}
	for ctx.Err() == nil {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrSlowConsumer) {
			continue // said through Notice
		}
		if err != nil {
			return ended(ctx, fmt.Errorf("listen at %s: %w", where, err))
		}
		if err := handle(m); err != nil {
			return err
		}
	}
	return nil
}

func trouble(err error) string {
	if errors.Is(err, nats.ErrSlowConsumer) {
		return "messages come faster than they are read: some are lost"
	}
	return err.Error()
}

// ended is nil where ctx was to end the listening, else err.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
