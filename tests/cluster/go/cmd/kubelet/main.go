// Command kubelet is the one of Kubernetes, at the version of go.mod.
package main

import (
	"context"
	"os"
	"reflect"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	"k8s.io/kubernetes/cmd/kubelet/app"
)

// Older minors make the command without a context.
func main() {
	create := reflect.ValueOf(app.NewKubeletCommand)
	given := []reflect.Value{reflect.ValueOf(context.Background())}
	command := create.Call(given[:create.Type().NumIn()])[0].Interface().(*cobra.Command)
	os.Exit(cli.Run(command))
}
