# Weekly columns: a dated head, one or two subjects, a passage between them, a close.
plan: semana*14
== semana.corpo
- {#abre} {#leitor} / {#tema} / {#ponte} / {#tema} / {#fecha}
- {#abre} / {#tema} / {#dito} {#citacao} / {#tema} / {#fecha}
- {#clima} {#abre} / {#tema} / {#ponte} {#memoria} / {#tema} {#fecha}
== tema
- {#bonde0} {#bonde} {#bonde} {#dito} / {#bonde} {#bonde} {#leitor}
- {#camara0} {#camara} {#camara} {#citacao} / {#camara} {#camara} {#dito}
- {#chuva0} {#chuva} {#chuva} {#rua} / {#chuva} {#leitor} {#chuva}
- {#lirico0} {#lirico} {#lirico} {#dito} / {#lirico} {#memoria} {#lirico}
- {#loto0} {#loto} {#loto} {#citacao} / {#loto} {#leitor}
- {#gato0} {#gato} {#gato} {#leitor} / {#gato} {#gato} {#dito}
- {#voto0} {#voto} {#voto} {#rua} / {#voto} {#citacao} {#voto}
- {#remedio0} {#remedio} {#remedio} / {#remedio} {#memoria} {#remedio}
- {#moda0} {#moda} {#moda} {#leitor} / {#moda} {#moda} {#citacao}
- {#preco0} {#preco} {#preco} {#dito} / {#preco} {#rua} {#preco}
- {#morto0} {#morto} {#morto} {#citacao} / {#morto} {#morto} {#memoria}
- {#novo0} {#novo} {#novo} {#dito} / {#novo} {#novo} {#leitor}
- {#carn0} {#carn} {#carn} {#rua} / {#carn} {#carn} {#dito}
- {#conversa} / {#dito} {#rua}
- {#conversa} / {#leitor} {#citacao}
== abre
- Esta semana, {@comp}, entrou {~f humor} e saiu {~f humor}; trouxe-me {@tema} e {o coisa}.
- Faltam assuntos. Sobram, é certo, {@tema} e {@tema}; mas {o ideia} do cronista prefere {o bicho} de {@ela}.
- Prometi falar de {@tema}. Não falo: {@hora}, recebi {um coisa}, e {@tese}.
- Bons dias, leitora! [Dormiu bem|Como vai {o ideia}]? Passei a semana a {@inf}, [sem proveito|com algum proveito|por conselho médico].
- Sete dias, outras tantas colunas: {@tema}, {@tema}, {@tema} e a chuva. Descansemos.
- Abro {o jornal} e leio que {@ele} vai {@inf}. Parabéns a {@ela}.
== ponte
- Passemos de {@tema} a {@tema}, [assunto vizinho|a mesma coisa com outra casaca|peça de melhor música]. {#dito}
- Ora, já que falei de {o bicho}: {@ele} {@hab}. {#rua}
- Mudemos de prato. {^@tese}, e é por isso que [os jornais|os bondes|as semanas] [não param|são de papel|andam cheios].
- Neste ponto [o cozinheiro|{o oficio}|um amigo] bate à porta para mostrar-me {um coisa}. Faço-lhe {o ideia}, e continuo.
== fecha
- Adeus, leitor; se encontrares {@ele}, dize-lhe que {@tese}.
- E basta. [O papel|A tinta|O domingo] acabou; {o ideia}, como sabem, não acaba nunca.
- Termino com uma pergunta: que distância vai entre {o oficio} e {o bicho}? Solução [em {@prazo}|no próximo domingo].
- Quando o leitor julgar isto [longo|leve|triste], ponha a culpa em {@tema}; eu vou {@inf}.
- {#clima} Apago a vela, e deixo o resto para {@mes}.
== bonde0
- Andei de bonde {em o dia}, {@hora}, e sentei-me entre {@ela} e {um oficio}, que {@hab}.
- Ninguém me tira da cabeça que o bonde ensinou à cidade {o ideia}, e custou-lhe {o ideia}.
== bonde
- A besta da direita {@hab}, e o condutor {@gesto} {@comp}.
- Subiu {@ele}, com {um coisa} no colo, e exigiu {o ideia} a {um oficio} que {@hab}.
- Dois passageiros discutiam {@tema}; o terceiro, {~m humor}, [dormia|lia {o jornal}|descia em cada esquina].
- {^em o rua} o carro descarrilou; {@prazo} depois, {o oficiof} ainda explicava a causa: {o ideia}.
- Não se cospe de bonde impunemente; sei de {@ele}, {~m fisico}, que deixou no banco {o coisa}, {o ideia} e o fim da conversa.
== camara0
- No Senado falou-se {@prazo} de {@tema}; as galerias [bocejam|dormem|pedem bis|namoram].
- O ministério [caiu|vai cair|não caiu] {em o dia}, por causa de {@tema}, {@comp}.
== camara
- O nobre deputado por {@longe} discorreu {@prazo}, invocou {@cantou}, bebeu [nove|sete|doze] copos d’água e concluiu, {~m humor}.
- — Protesto! bradou {@ele}. / — Ordem, {@diz} o presidente, {@circ}. Ouviu-se {@som}.
- Um chefe de gabinete {@hab}; por isso os partidos, que não leem, temem {o ideia}.
- Propus uma lei de um artigo: fica proibido {@inf} [antes do almoço|sem licença da irmandade|aos maiores de trinta anos].
- Quando eu chegar a ministro, o que Deus não permita, {o oficio} terá {um coisa}, e {o oficiof}, {o ideia}.
== chuva0
- Choveu {@prazo}; o Rio nadou {@comp}, e {o rua} virou [canal|rio|espelho].
- Que aguaceiro, leitor! {^@tempo}, escreve {o jornal}; e eu acrescento que Noé teve menos.
== chuva
- {^o oficio} atravessou {o rua} às costas de {um oficio}, salvando {o coisa} no alto.
- Boiavam {um coisa}, {um flor} e {@livro}; {@ela} {@gesto} à janela.
- O guarda-chuva tem sido {@como}; o meu ficou em casa de {@ele}, que {@hab}.
- Debaixo de telha, a chuva convida a {@inf}; fora, manda {@inf}.
- {^o bicho} de {@ela} fugiu para {o traste}, e dali julgava o dilúvio {@comp}.
== lirico0
- Temos companhia lírica; {@ele} empenhou {o coisa} por um camarote, e {@ela}, {o coisa}.
- Ouvi {@musica}, {em o dia}, [no Lírico|no Provisório|no São Pedro]; {@tempo}, e o público tossia.
== lirico
- A prima-dona, {~f fisico} e {~f moral}, desmaiou duas vezes, a última {@comp}; atiraram-lhe {um flor}, {um flor} e {um coisa}.
- O tenor é {~m fisico}; o agudo sai-lhe {@comp}, e chega {~m humor}.
- Durante a ária, {@ele} {@gesto}; nas torrinhas, dois partidos trocavam {n ideia} e bengaladas.
- Do primeiro ao segundo ato, {@ela} explicou-me o libreto: [um rei|um pajem|um corsário] quer {@inf}, mas {o ideia} da soprano não consente.
- Do coro salvou-se {um oficio} {~m humor}, que soprava {@comp}.
== loto0
- {^@ele} tirou a sorte grande; soube-o {@hora}, {em o rua}, e {@gesto}.
- O bilhete branco continua a ser a religião mais espalhada do Império; {o oficio} reza nela {@comp}.
== loto
- Dizem que sonhou com {um bicho} em cima de {um traste}; somou tudo, e achou {@conta} mil e {@conta}.
- Comprou {um coisa}, {um traste} e um cunhado; só não achou à venda {o ideia}.
- Cá eu, que nunca jogo, ganhei uma vez {@soma}, e gastei tudo {em o rua}, {~m humor}.
== gato0
- Acaba de morrer {o bicho} de {@ela}, em consequência de {@doenca}. Não sorria, leitor: foi um [caráter|filósofo|cidadão].
- Apareceu-me {um bicho}, {@hora}, {@comp}; [não {.o} convidei|veio sem recomendação], e jantou.
== gato
- Certa vez, surpreendi o bicho em cima de {@livro}; {@gesto}, e não se explicou.
- Entre {o bicho} e {o bicho}, a diferença é {o ideia}; entre {o oficio} e {o oficio}, não há nenhuma.
- — Que pensas do homem? pergunto-lhe. / — Penso que {@tese}, respondeu-me o bicho, {@circ}; vós chamais razão a {o ideia}, e nós dormimos.
- Consta que deixou a {o oficio} {o coisa}, e à posteridade {o ideia}.
== voto0
- Houve eleições {em o dia}; na freguesia de {@longe} compareceram os ausentes e alguns mortos.
- [Um candidato|{^@ele}] veio pedir-me o voto, {@hora}, com {um coisa} e {o ideia}.
== voto
- Prometeu [ponte|chafariz|estrada] a {@longe}, {n ideia} às viúvas, e {@soma} a {o oficio}.
- Na urna, contaram {@conta} cédulas, {um coisa} e {um flor}; o presidente, {@circ}, apurou tudo.
- — É liberal? pergunto ao homem. / — [Sou|Conforme|Fui], {@diz} ele {@circ}; {@tese}.
- {^@ele} {@hab}; foi quanto bastou para que {@longe} o elegesse com charanga. {^o oficio} {@gesto}.
== remedio0
- Li, em {o jornal}, os louvores de um {@remedio} contra {o ideia} e {@doenca}.
- Temos por aí {@doenca}; os médicos discordam, {@comp}, e {o oficio} já curou seis.
== remedio
- Toma-se em [jejum|gotas|cataplasma], {@hora}, pensando em {@tema}; proíbe-se {o prato} e {@inf}.
- {^@ela} melhorou com {o doce} e {@musica}; {@ele}, que obedeceu ao médico, acabou {~m humor}.
- Posto entre {o ideia} e a alopatia, escolho {o doce}.
- O inventor, {~m fisico} e {~m moral}, {@hab}; foi {n oficio} em {@longe}, e descobriu tudo [num sonho|por engano|a cavalo].
- Atestados não mentem: {o oficio}, {em o rua}, perdeu {@doenca} em {@prazo}, e ganhou {o ideia}.
== moda0
- Usa-se agora, {em o rua}, o vestido de {n tecido} {~cor}, com {um flor} à cinta e {o ideia} na cauda.
- Falemos de moda: {o tecido} caiu, sobe {o tecido}; {@ela} jurou-mo {@circ}.
== moda
- O penteado deste inverno lembra {um bicho} a fugir de {um traste}; custa {@soma}.
- Os rapazes trazem {o coisa} {@comp}, e cuidam que é {o ideia}.
- Uma baronesa guardava {o tecido} do enxoval em {um traste}; agora, {o ideia} dura {@prazo}.
- {^@ele} foi visto {em o sitio} de colete {~m cor}; {@ela} {@gesto}, e o mundo desceu um ponto.
- Em troca de {um flor}, vendo o segredo: {@tese}; e {o tecido} encolhe.
== preco0
- Tornou a subir o preço [da carne|do pão|das batatas|da manteiga|do querosene], {@comp}; {o oficio} {@gesto}.
- Está tudo pela hora da morte: {n doce}, {@soma}; {n flor}, {@soma}; e apenas {o ideia} continua de graça.
== preco
- Mandei ao mercado comprar {um bicho} [{.gordo}|para domingo]; pediram-me {@soma}, {o coisa} e {o ideia}.
- {^o oficio} explica que a culpa é [do câmbio|do tempo|de Minas]; {o oficio}, que é de {@tema}; a cozinheira, que {@tese}.
- [Em {@longe}|No tempo de minha avó], com {@soma}, comprava-se {o prato}, {o doce} e ainda sobrava {um bicho}.
- Lembro um tributo sobre {o ideia}: renderia {@soma} [por cabeça|só {em o rua}], e ninguém o negaria.
== morto0
- Foi a enterrar {em o dia} {@ele}, aos {@idade}, vítima de {@doenca} e de {@tema}.
- Acompanhei alguém ao cemitério, {@hora}; {@tempo}, e os coveiros falavam de {@tema}.
== morto
- O finado foi {~m moral} e {~m moral}; {@hab}, e deixa {um coisa} [sem dono|à pátria|por acabar].
- O discurso coube a {o oficio}, que {@gesto}, citou {@cantou} e trocou o nome do santo.
- Sobre a campa, {um flor} de {@ela}, {.outro} de {n tecido}, e a legenda: “{^o ideia} [não morre|passou por aqui|paga amanhã]”.
- Voltando, viemos de carro, {@ele} e eu; ainda antes de {o rua} já ríamos de {o prato}.
- Os mortos não recebem {o jornal}; seria {o ideia}, se não fosse {o ideia}.
== novo0
- Inventaram certa máquina de {@inf}, que funciona a [vapor|gás|eletricidade], e dizem que vale {@soma}.
- {^o invento} promete substituir {o ideia}; pelo menos acabou com {o oficio}.
== novo
- Experimentei {o invento}, {em o sitio}: {@som}, um estalo, e {@ele} {@gesto}.
- O progresso, {@comp}, tira-nos {o coisa} e dá-nos {o coisa}; ganha quem {@presente}.
- Daqui a [cem|duzentos|trinta] anos, {o oficio} será movido a gás, e {o ideia} virá em [latas|pílulas|telegramas].
- Meu vizinho, que {@hab}, pretende o seu: há de servir-lhe para {@inf} sem [testemunhas|despesa|sair da cama].
== carn0
- Passou o carnaval, com {um bicho} de papelão, {@conta} trombetas e {o ideia} ao relento.
- Vesti-me de {n oficio} pelo carnaval; {@ela} reconheceu-me, {@circ}, e {@gesto}.
== carn
- {^em o rua}, [um diabo|um dominó|um príncipe] {~m cor} oferecia {o doce} a {um oficio} sem máscara.
- — Você me conhece? guinchou {@ele}, metido em {n tecido}. / — Conheço {o ideia}, {@diz} {@ela}; e {@gesto}.
- Na quarta-feira, {o sitio} tresandava a {n flor}, e {@ele}, {~m humor}, varria {o coisa}.
- Consumiu {@soma} em [confetes|bisnagas|limões de cheiro], {@circ}; quebraram-lhe {o coisa} e trouxe noiva.
== conversa
- — Viu a notícia de {o jornal}? perguntou-me {@ele}, {@circ}. / — Trata de {@tema}? / — Qual! Trata de {o bicho} de {@ela}, que conseguiu {@inf}. / — Isso é {o ideia}! / — Seja; {@tese}. E {@gesto}.
- — Que me diz de {@tema}? {@perg} {o oficio}. / — Digo que {o ideia} é {@como}. / — Foi o que pensei, {@diz} ele {@circ}; mas com outras palavras. / E mostrou-me {um coisa}.
- — Vossa Senhoria é cronista, {@diz} {@ela}, explique-me: para que serve {o ideia}? / — Serve, respondi, serve para {@inf}. / {^@gesto}, e mandou buscar {o doce}.
