package ort

import "errors"

func validate(graph []byte) error {
	if len(graph) == 0 {
		return errors.New("the model is empty")
	}
	return nil
}
