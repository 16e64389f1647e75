# Short stories: a man {h}, a woman {m}, a third, {t}; drawn anew for each tale, as are the thing and the beast.
let: h = {@nomeh}
let: m = {@nomem}
let: t = o {@cargo} {@apelido}
let: z = {o coisa}
let: b = {o bicho}
plan: legado aposta cartomante obra emprego carta legado obra
plan: carta emprego legado cartomante aposta obra carta emprego
plan: obra carta aposta legado emprego cartomante aposta legado
plan: cartomante obra carta emprego legado aposta cartomante carta
== legado.titulo
- O LEGADO DO [TIO|PADRINHO|BRIGADEIRO]
- A CLÁUSULA [SÉTIMA|OITAVA|NONA]
- HERDEIRO E FIEL DEPOSITÁRIO
- O BICHO DO FINADO
- CEM APÓLICES E UM CUIDADO
== legado.corpo
- {#l1} {#h1} {#h2} / {#l2} {#l2} / {#par} / {#l2} {#dito} {#m1} / {#rua} {#memoria} / {#l3} {#leitor} / {#fim}
- {#memoria} {#l1} / {#h1} {#citacao} {#l2} / {#l2} {#par} / {#rua} {#dito} {#l2} / {#clima} {#l3} / {#m1} {#fim}
== l1
- {^t} morreu em {@mes}, de {@doenca}, e deixou a {h} {@soma}, com a condição de tratar de {b} durante {@prazo}, [sem perder um dia|dia por dia|nem uma hora menos].
- Aberto o testamento de {t}, {em o sitio}, achou-se que {h} herdava a casa e o resto, contanto que desse casa e mesa a {b} e conservasse {z}.
== l2
- {^b} instalou-se em {o traste}, exigia {o doce}, e olhava para {h} {@comp}.
- {h} conduziu {b} a {o sitio}; {@ela} {@gesto}, e {o oficio} [perguntou o preço|fugiu|quis um retrato].
- [Na primeira|Na segunda|Na terceira] semana, {h} jurava ver em {b} o [nariz|olhar|riso] {~m moral} de {t}.
- {^b} adoeceu de {@doenca}. Chamaram {o oficio}, que {@gesto}, receitou {o prato} e cobrou {@soma}.
- Os outros parentes subornavam {b} com {o doce}, e rezavam {@comp}.
- {h} começou a [falar|ler {@livro}] a {b}; {@hora}, [jogavam o gamão|ouviam {@musica}]. Foi {o ideia}, ou coisa parecida.
== l3
- Na véspera do prazo, {b} desapareceu pela janela. {h} {@gesto}, correu a {o rua}, chamou, e voltou só com {z} na mão.
- Findo o prazo, o tabelião entregou {@soma}; {h}, já rico, vendeu tudo, e encomendou um [busto|mausoléu|soneto] a {b}.
== aposta.titulo
- QUINHENTOS MIL-RÉIS CONTRA UM CHAPÉU
- A APOSTA
- UM JANTAR NO HOTEL DA EUROPA
- PALAVRA DE HONRA
- DUAS CERTEZAS
- QUEM PERDE PAGA
== aposta.corpo
- {#clima} {#a1} / {#h1} {#h2} / {#a2} {#a2} {#m1} / {#par} / {#a2} {#rua} {#memoria} / {#a3} {#dito} {#fim}
- {#a1} {#leitor} / {#h2} {#m1} {#a2} / {#rua} {#a2} {#clima} / {#par} / {#citacao} {#a2} / {#a3} {#clima} / {#fim}
== a1
- — Aposto {@soma}, {@diz} {t} {@circ}, como [o amigo {h}|você, {h},] não [passa|fica|resiste] {@prazo} sem {@inf}. / — [Aceito|Está feito|Dobro a quantia], {@diz} {h}; e apertaram-se as mãos {em o sitio}.
- Apostaram {h} e {t}, {@hora}, {em o sitio}: o primeiro havia de {@inf} antes de {@prazo}; o segundo arriscava {@soma} em que não.
== a2
- Ao princípio, {h} [achou fácil|riu de si mesmo|engordou]; depois, {@gesto} ao ouvir falar de {o coisa}.
- {^t} enviou-lhe, por {o oficio}, {um coisa}, com o fim de tentá-lo; {h} {@gesto}.
- Faltavam {@prazo}. {m} pediu-lhe que desistisse, por amor de {o ideia}; ele {@gesto}.
- — E se eu perder? {@perg} {h}. / — Ganhará {o ideia}, {@diz} {m}; é {@como}.
== a3
- Chegado o dia, {h} apareceu {em o sitio}, {~m humor}, com {z} [na cabeça|debaixo do braço|dentro de um jornal]. {^t} contou o dinheiro e {@gesto}.
- {h} perdeu por [dez minutos|uma palavra|um espirro]: {@som} distraiu-o. {^t} recusou o dinheiro; aceitou {o coisa} e {o ideia}.
== cartomante.titulo
- A SINA DE {h+}
- O QUE ESTAVA NA PALMA DA MÃO
- BORRA DE CAFÉ
- PROFECIA A TANTO POR CABEÇA
- VALETE DE COPAS
- A RUA DO SABÃO TEM UM ORÁCULO
== cartomante.corpo
- {#h1} {#h2} {#c1} / {#c2} / {#dito} {#c3} {#c3} / {#m1} {#c3} / {#rua} {#citacao} / {#par} / {#leitor} {#c4} / {#fim}
- {#clima} {#c1} / {#c2} / {#h1} {#c3} {#leitor} / {#rua} {#citacao} {#c3} {#m1} / {#par} / {#c4} {#memoria} {#fim}
== c1
- {h} não acreditava em {o ideia}; mas {em o dia}, {@hora}, viu-se a subir uma escada {~f feitio} {em o rua}, levando {um coisa} de {m}.
- Morava, {em o rua}, uma adivinha {~f fisico} e {~f moral}, que lia o futuro em {um coisa}; {h}, {~m humor}, bateu-lhe à porta.
== c2
- — Vejo {um coisa}, {@diz} a mulher {@circ}. / — Só isso? / — Vejo {o oficio}, {~m moral}, a rir; e o senhor há de {@inf}, contra {o ideia}. / {h} pagou {@soma} e {@gesto}.
- — Desconfie... {@diz} a mulher, {@circ}. Desconfie quando {@agora}. / — [Por quê|E {m}]? / — {^z}, repetiu ela; {z}! Depois soprou a vela. {h} desceu {@comp}.
== c3
- Desde então, {h} encontrava em toda parte {o coisa}: {em o sitio}, {em o rua}, [no prato|no peito dos outros|nos sonhos].
- {h} consultou {@ele}, que {@hab}; este {@gesto}, e aconselhou-lhe {o prato} e {@inf}.
- A primeira parte da profecia cumpriu-se {@hora}: {h} achou, {em o traste}, {um coisa}.
- {^o oficio}, {em o rua}, saudou-o {@comp}. “Será este!” pensou {h}, e {@gesto}.
== c4
- Soube-se depois que a adivinha fora [tia|madrinha|inquilina] de {t}, e vendia a cada um {o_mesmo coisa}. {h} {@gesto}.
- Realizou-se o resto, mas às avessas: quem acabou por {@inf} foi {t}; {h} ficou com {z} e {o ideia}.
== obra.titulo
- O AUTOR DE UMA PÁGINA
- SINFONIA INACABADA PARA RABECA E VIZINHOS
- O COLECIONADOR
- A OBRA DE {h+}
- VINTE ANOS E UM VERSO
- O TRATADO
- MESTRE {h+}
== obra.corpo
- {#o1} {#h1} / {#o2} {#o2} {#dito} / {#m1} {#clima} / {#par} / {#o2} {#h2} {#leitor} / {#o3} {#rua} / {#fim}
- {#memoria} {#o1} {#h2} / {#o2} {#citacao} / {#rua} {#h1} / {#par} / {#o2} {#o2} {#clima} / {#o3} {#dito} {#fim}
== o1
- {h} escrevia, havia {@prazo}, um [tratado|poema|catálogo] sobre {o ideia}; estava na [primeira|segunda|última] linha, e não se entendia com {o coisa}.
- O bairro inteiro sabia que {h} preparava {@composicao}; [ninguém a ouvira|uns tinham ouvido metade|os vizinhos temiam o resto].
== o2
- Levantava-se {@hora}, aparava a pena, riscava [três notas|duas palavras|um título] e tornava ao leito.
- Em busca de [o tom|a rima|o fecho], {h} correu até {@longe}, anotou {@som}, comprou {um coisa}, e tornou {~m humor}.
- {^t} ofereceu-lhe {@soma} pela obra, acabada em {@prazo}; {h} {@gesto}, {@circ}.
- Em sonho, a página aparecia-lhe inteira, {@comp}; de manhã, restava {o ideia}.
== o3
- {h} morreu em {@mes}, de {@doenca}; [na gaveta|em {o traste}] acharam {um coisa}, {@livro} e uma folha com o título: “{^o ideia}”.
- Certa manhã, escreveu a última linha. Leu-a a {m}, que {@gesto}; leu-a a {t}, que dormiu; e rasgou-a {@comp}.
== emprego.titulo
- A NOMEAÇÃO
- AUDIÊNCIA ÀS QUINTAS-FEIRAS
- O CANDIDATO
- CADEIRA VAGA
- EMPENHOS
- O MINISTRO HÁ DE LEMBRAR-SE
- TERCEIRO ESCRITURÁRIO
== emprego.corpo
- {#e1} {#h1} {#h2} / {#e2} {#e2} {#dito} / {#par} / {#m1} {#e2} {#clima} / {#memoria} {#rua} / {#e3} {#leitor} / {#fim}
- {#rua} {#e1} / {#h2} {#h1} / {#e2} {#citacao} / {#par} / {#e2} {#clima} {#m1} / {#e2} / {#e3} {#fim}
== e1
- Vagou um lugar {em o sitio}; {h}, que {@hab}, julgou-se talhado para ele, e escovou [o fraque|a casaca|o chapéu].
- {h} pretendia um emprego, havia {@prazo}. Contava com três cartas: a de {@ele}, a de {@ela} e a própria.
== e2
- O ministro, {~m fisico} e {~m humor}, recebeu-o {@hora}, {@gesto}, falou de {@tema}, e deu-lhe dois dedos.
- Escreveu a {@ele}, que pediu a {@ela}, que era afilhada de {t}; {o ideia} caminha por essas escadas.
- Na antecâmara, esperavam {o oficio}, {o oficio} e {um bicho} de alguém; falava-se de {@tema} {@comp}.
- {h} devorou {o jornal} de trás para diante: transferiram {@ele} e {@ele}; dele, nem vírgula.
- Caíra o gabinete por causa de {@tema}. O sucessor, {~m moral}, vinha a ser [primo|inimigo|padrinho] de {@ela}; tudo recomeçou.
== e3
- Veio afinal a nomeação, {em o dia}; o lugar era [outro|de {t}]. {h} dobrou o papel e {@gesto}.
- Foi nomeado quando já não precisava: {h} ganhara na loteria {@soma}, e recusou {@circ}.
== carta.titulo
- DESTINATÁRIO AUSENTE
- A CARTA TROCADA
- DOIS SOBRESCRITOS
- O ERRO DO CORREIO
- UMA VÍRGULA DE D. {m+}
- LETRA DE MULHER
- RUA E NÚMERO
== carta.corpo
- {#k1} {#m1} / {#h1} {#h2} {#k2} / {#k3} {#k3} {#dito} / {#par} / {#rua} {#memoria} / {#k3} {#leitor} / {#k4} {#fim}
- {#clima} {#k1} / {#k2} {#k3} / {#citacao} {#h1} {#m1} / {#leitor} {#rua} / {#k3} {#par} / {#k4} {#rua} {#fim}
== k1
- {m} escreveu duas cartas na mesma manhã: uma ao noivo, outra a {t}; errou os sobrescritos, e lembrou-se {@hora}.
- {^o oficio} entregou, por engano, em casa de {h}, uma carta destinada a {t}. {h} abriu-a {@circ}.
== k2
- Dizia a carta: “Já não posso {@inf}. {^@agora}, e {o ideia} cresce. [Venha buscar {o coisa}|Mande-me dizer se {@hora} está em casa]. Rasgue isto — {m}.”
- Continha só quatro linhas: tratava de {o coisa}, de {o ideia} e de certo {@cargo} que {@hab}; assinava {m}.
== k3
- {h} {@gesto}; tentou {@inf}; o que fez foi [guardar o papel em|sentar-se em] {o traste}.
- {m} correu a {o rua}, {@comp}; indagou a {o oficio}, que {@gesto}; chegou tarde.
- {h} releu a última palavra: tanto podia ser “{n ideia}” como “{n ideia}”; disso dependia [um casamento|uma vida|o jantar].
- Resolveu responder, imitando a prosa de {t}: meteu {o ideia}, emendou {o ideia}, e [lacrou|expediu] {@comp}.
== k4
- Explicaram-se {em o dia}, {em o sitio}: o papel fora [cópia|tradução|exercício] de {@livro}. {h} {@gesto}.
- Ninguém soube jamais quem queimou a carta. {h} e {m} separaram-se em {@mes}; {t} levou-lhes {um coisa}.
== h1
- {h} era [homem|sujeito] {~m fisico}, {~m moral}, de {@idade}; {@hab}, e vivia {@onde}, com {um bicho} e {um traste}.
- Quem o visse, {em o rua}, {~m fisico} e {~m humor}, não daria por {h} {@soma}; [enganava-se|era injusto]: {@hab}.
- {h} {@hab}; fora isso, nenhum vício, se não contarmos {@inf}.
== h2
- Trazia {um coisa} que houvera de {@ele}, e [mostrava-{.o}|escondia-{.o}] {@comp}.
- Recebia {@soma} por mês; gastava metade em {n doce} e o resto em {n ideia}.
- Uma vez tentara {@inf}, por instigação de {@ela}; daí {o ideia} e {@doenca}.
== m1
- {m} parecia {~f fisico}, {~f moral}, e cantava {@musica} {@comp}.
- {m} usava {um flor} no cabelo e um vestido de {n tecido} {~cor}; {@gesto} por hábito.
- {m} {@hab}; esteve para casar com {@noivo}, mas {o ideia} foi mais forte.
- {m}, [coitada|é verdade|a seu modo], gostava de {@musica}, de {o doce} e de {h}, por esta ordem.
== par
- — Prometa, {@diz} {m}. / — Prometo, {@diz} {h}, por {o coisa} de minha [mãe|avó|madrinha]! / {m} {@gesto}; {@som} também jurou por ele.
- — Meu caro {h}, {@diz} {t}, {@tese}. / — [Discordo|É exato|Ao contrário], {@diz} {h} {@circ}; Vossa Excelência esquece {o ideia}. / — {^o ideia}! Isso é {@como}. / E {@gesto}.
- — Quanto dá por {z}? {@perg} {o oficio}. / — {^@soma}, {@diz} {h}. / — Fiado? / — Custa {o ideia} de três gerações, {@diz} {h}; e {@gesto}.
== fim
- {m} {@presente}; e {h}, quando lhe falam no caso, {@presente}.
- Moralidade, se a [querem|exigem]: {@tese}. {^o ideia} [pagou as custas|ri-se|dorme].
- Aí está o caso. Contou-mo {@ele}, que {@hab}, e todavia [merece fé|não garanto a data].
- {^z}, esse objeto, anda em casa de {@ela}, {@onde}; {b} morreu de velhice.
- E {h} {@gesto}. Que outra coisa faria, leitora, um homem que {@hab}?
